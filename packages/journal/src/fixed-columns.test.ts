import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { JournalFormatError } from "./errors.ts";
import { ColumnReader, ColumnWriter } from "./fixed-columns.ts";

describe("ColumnWriter", () => {
  test("writes words little-endian, from where it is told and as many as it has room for", () => {
    const source = Uint32Array.of(1, 0x0102_0304, 0xffff_fffe, 7);
    expect(new ColumnWriter(2, 4).words(source, 1).bytes).toEqual(Uint8Array.of(4, 3, 2, 1, 0xfe, 0xff, 0xff, 0xff));
  });

  test("writes integers little-endian, beyond 32 bits too", () => {
    const source = Float64Array.of(0, 0x0001_0203_0405_0607, Number.MAX_SAFE_INTEGER);
    expect(new ColumnWriter(2, 8).integers(source, 1).bytes).toEqual(
      Uint8Array.of(7, 6, 5, 4, 3, 2, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0),
    );
  });

  test("writes signed integers little-endian, in two's complement", () => {
    const source = BigInt64Array.of(9n, -2n, 0x0102_0304_0506_0708n);
    expect(new ColumnWriter(2, 8).int64s(source, 1).bytes).toEqual(
      Uint8Array.of(0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 8, 7, 6, 5, 4, 3, 2, 1),
    );
  });

  test("writes parts of values little-endian", () => {
    const source = Int32Array.of(-2, 0x0102_0304);
    expect(new ColumnWriter(1, 8).parts(source).bytes).toEqual(Uint8Array.of(0xfe, 0xff, 0xff, 0xff, 4, 3, 2, 1));
  });

  test("writes what a view of the bytes would, also from inside a larger buffer", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), fc.nat(2), (bytes, from) => {
        const { buffer } = Uint8Array.from(bytes);
        const view = new DataView(buffer);
        const words = new ColumnReader(new ColumnWriter(3, 4).words(new Uint32Array(buffer, 8), from).bytes, 3, 4);
        const longs = new ColumnReader(new ColumnWriter(3, 8).int64s(new BigInt64Array(buffer, 8), from).bytes, 3, 8);
        const parts = new ColumnReader(new ColumnWriter(2, 8).parts(new Int32Array(buffer, 4, 4)).bytes, 2, 8);
        for (let i = 0; i < 3; i++) {
          expect(words.word(i)).toBe(view.getUint32(8 + 4 * (from + i), true));
          expect(longs.int64(i)).toBe(view.getBigInt64(8 + 8 * (from + i), true));
        }
        expect([parts.int64(0), parts.int64(1)]).toEqual([view.getBigInt64(4, true), view.getBigInt64(12, true)]);
      }),
    );
  });

  test("writes nothing for no values", () => {
    expect(new ColumnWriter(0, 8).integers(new Float64Array(0), 0).bytes).toHaveLength(0);
  });
});

describe("ColumnReader", () => {
  test("reads what the writer wrote", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            word: fc.nat(0xffff_ffff),
            integer: fc.maxSafeNat(),
            int64: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
          }),
        ),
        (rows) => {
          const count = rows.length;
          const words = new ColumnWriter(count, 4).words(
            Uint32Array.from(rows, ({ word }) => word),
            0,
          );
          const integers = new ColumnWriter(count, 8).integers(
            Float64Array.from(rows, ({ integer }) => integer),
            0,
          );
          const int64s = new ColumnWriter(count, 8).int64s(
            BigInt64Array.from(rows, ({ int64 }) => int64),
            0,
          );
          const readers = [
            new ColumnReader(words.bytes, count, 4),
            new ColumnReader(integers.bytes, count, 8),
            new ColumnReader(int64s.bytes, count, 8),
          ] as const;
          const read = rows.map((_, i) => ({
            word: readers[0].word(i),
            integer: readers[1].integer(i),
            int64: readers[2].int64(i),
          }));
          expect(read).toEqual(rows);
        },
      ),
    );
  });

  test("reads a column that lies inside a larger buffer", () => {
    const bytes = Uint8Array.of(9, 9, 9, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 9).subarray(3, 11);
    const column = new ColumnReader(bytes, 2, 4);
    expect([column.word(0), column.word(1), column.int32(1)]).toEqual([1, 0xffff_ffff, -1]);
  });

  test.each([
    [7, 1, 8],
    [9, 1, 8],
    [0, 1, 4],
    [4, 0, 4],
    [4, 1, 8],
    [8, 1, 4],
  ] as const)("refuses %i bytes for %i values of %i", (length, count, width) => {
    expect(() => new ColumnReader(new Uint8Array(length), count, width)).toThrow(
      new JournalFormatError(`a column has ${length} bytes and should have ${count * width}`),
    );
  });

  test("refuses an integer that a number would round", () => {
    const column = new ColumnReader(
      Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0, 0, 0, 0, 0, 0, 0, 0x20, 0),
      2,
      8,
    );
    expect(column.integer(0)).toBe(Number.MAX_SAFE_INTEGER);
    expect(() => column.integer(1)).toThrow(JournalFormatError);
  });
});

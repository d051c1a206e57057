import type { LedgerRecord } from "@bank/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JournalFormatError } from "./errors.ts";
import { decodeFrame, encodeFrame } from "./frame.ts";
import { FrameReader } from "./frame-reader.ts";
import { anyBatch } from "./random-records.test-util.ts";
import { HEADER, requestKey, SAMPLES, transfer } from "./sample-records.test-util.ts";

// A failure prints seed and path: `fc.assert(…, { seed, path })` repeats it.

const FIRST = HEADER.firstPosition;

describe("a reader of single records", () => {
  it("gives of any batch what the whole of it would give, whichever are asked for, in the order asked", () => {
    fc.assert(
      fc.property(anyBatch, fc.array(fc.nat(), { maxLength: 20 }), ({ header: given, records }, asked) => {
        // Where the positions of all records can be told apart.
        const header = { ...given, firstPosition: Math.min(given.firstPosition, 2 ** 50), committedPosition: 0 };
        const frame = encodeFrame(header, records);
        const reader = new FrameReader(frame);
        const whole = decodeFrame(frame);
        expect(reader.header).toEqual(whole.header);
        const indexes = asked.map((at) => at % records.length);
        const positions = indexes.map((index) => header.firstPosition + index);
        expect(reader.recordsAt(positions)).toEqual(indexes.map((index) => whole.records.at(index)));
        const all = records.map((_, index) => header.firstPosition + index);
        expect(reader.recordsAt(all)).toEqual([...whole.records]);
      }),
      { numRuns: 500 },
    );
  });

  it("gives a record of each kind, each by itself, from among all others", () => {
    const samples = Object.values(SAMPLES) as LedgerRecord[];
    const epochs = samples.filter(({ kind }) => kind === SAMPLES.epochBegun.kind);
    const others = samples.filter(({ kind }) => kind !== SAMPLES.epochBegun.kind);
    const records = [...epochs.slice(0, 1), ...others.flatMap((one) => [one, transfer(requestKey(7)), one])];
    // Groups say how many records before them are theirs; here it is only the look of them that counts.
    const written = records.filter((record) => !("records" in record));
    const reader = new FrameReader(encodeFrame(HEADER, written));
    written.forEach((record, index) => {
      expect(reader.recordsAt([FIRST + index])).toEqual([record]);
    });
  });

  it("gives records that do not hold on to the frame, nor to each other", () => {
    const frame = encodeFrame(HEADER, [transfer(requestKey(1)), transfer(requestKey(2))]);
    const [one] = new FrameReader(frame).recordsAt([FIRST + 1]);
    frame.fill(0);
    expect(one).toEqual(transfer(requestKey(2)));
    expect(one?.request?.id.buffer.byteLength).toBe(16);
  });

  it("refuses positions that are not in the batch", () => {
    const reader = new FrameReader(encodeFrame(HEADER, [transfer(requestKey(1))]));
    for (const position of [FIRST - 1, FIRST + 1, Number.NaN])
      expect(() => reader.recordsAt([position])).toThrow(RangeError);
  });

  it("says of any bytes that they are no journal, where it does not read them", () => {
    const edit = fc.record({ at: fc.nat(), remove: fc.nat(3), insert: fc.uint8Array({ maxLength: 3 }) });
    fc.assert(
      fc.property(anyBatch, edit, ({ header, records }, { at, remove, insert }) => {
        const bytes = [...encodeFrame(header, records)];
        bytes.splice(at % bytes.length, remove, ...insert);
        try {
          const reader = new FrameReader(Uint8Array.from(bytes));
          const { firstPosition, count } = reader.header;
          // Beyond it positions cannot be told apart.
          if (firstPosition + count > Number.MAX_SAFE_INTEGER) return;
          reader.recordsAt(Array.from({ length: count }, (_, i) => firstPosition + i));
        } catch (error) {
          expect(error).toBeInstanceOf(JournalFormatError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

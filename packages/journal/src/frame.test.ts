import type { LedgerRecord } from "@bank/core";
import { BATCH_RECORDS_MAX, FRAME_BYTES_MAX, RecordKind } from "@bank/core";
import { BatchHeaderSchema } from "@bank/proto";
import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { JournalFormatError } from "./errors.ts";
import { decodeFrame, decodeHeader, encodeFrame } from "./frame.ts";
import type { Changes } from "./raw-frame.test-util.ts";
import { altered, concatenate, contents, flipped, frameOfBytes } from "./raw-frame.test-util.ts";
import {
  answering,
  countingBytes,
  EPOCH_ID,
  everyKind,
  HEADER,
  SAMPLES,
  transfer,
} from "./sample-records.test-util.ts";

const small = encodeFrame(HEADER, everyKind());
/** How many of those records, at the end, belong to groups. */
const GROUPS = 6;

describe("round trip", () => {
  test.each(Object.entries(SAMPLES))("keeps every field of a record: %s", (_, record) => {
    for (const records of [[record], [answering(record, 1)], [record, record].slice(0, isEpoch(record) ? 1 : 2)]) {
      const frame = encodeFrame(HEADER, records);
      expect(contents(frame)).toEqual({ header: { ...HEADER, count: records.length }, records });
    }
  });

  test("keeps the order of records of all kinds, with and without requests", () => {
    const records = everyKind();
    expect(new Set(records.map(({ kind }) => kind)).size).toBe(Object.keys(RecordKind).length);
    expect(decodeFrame(small).records.slice()).toEqual(records);
  });

  test("keeps who acted where, whether few or many, in whatever order", () => {
    const actors = [
      ["dev", 0],
      ["dev", 1],
      ["dev", 0],
      ["bank", 0],
      ["dev", 1],
      ["", 65_535],
      ["1 dev", 1],
      ["dev", 11],
      ["bank", 0],
    ] as const;
    const records = actors.map(([principal, branch], i) =>
      transfer(undefined, { principal, branch, amount: BigInt(i) }),
    );
    expect(decodeFrame(encodeFrame(HEADER, records)).records.slice()).toEqual(records);
  });

  test("lists a single actor once and says nothing more about it", () => {
    const one = [transfer(undefined), transfer(undefined)];
    const two = [transfer(undefined), transfer(undefined, { branch: 4 })];
    // An actor is "dev" and a branch: 9 bytes; then one index for each record behind tag and length.
    expect(encodeFrame(HEADER, two).length - encodeFrame(HEADER, one).length).toBe(9 + 2 + 2);
    expect(decodeFrame(encodeFrame(HEADER, one)).records.slice()).toEqual(one);
  });

  test("keeps a header whose numbers are as small or as large as they can be", () => {
    const least = { ...HEADER, firstPosition: 1, committedPosition: 0, timeMs: 0 };
    const most = {
      ...HEADER,
      firstPosition: Number.MAX_SAFE_INTEGER,
      committedPosition: Number.MAX_SAFE_INTEGER - 1,
      timeMs: Number.MAX_SAFE_INTEGER,
    };
    for (const header of [least, most])
      expect(decodeHeader(encodeFrame(header, [SAMPLES.transfer]))).toEqual({ ...header, count: 1 });
  });

  test("is the documented layout: length, header, payload", () => {
    const header = create(BatchHeaderSchema, {
      format: 1,
      epochId: EPOCH_ID,
      firstPosition: 1_001n,
      count: 1,
      timeMs: 1_790_000_000_123n,
      digestAfter: HEADER.digestAfter,
      committedPosition: 1_000n,
    });
    const amount = [0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01];
    const payload = Uint8Array.of(
      ...[0x0a, 1, 0x82],
      ...[0x12, 7, 0x0a, 3, 0x64, 0x65, 0x76, 0x10, 3],
      ...[0x22, 16, ...countingBytes(9, 16)],
      ...[0x2a, 8, 0x81, 0x56, 0x34, 0x12, 0xf6, 0xff, 0xff, 0xff],
      ...[0x32, 4, 7, 0, 0, 0],
      ...[0x3a, 4, 0xff, 0xff, 0xff, 0xff],
      ...[0x42, 8, ...amount],
    );
    const frame = encodeFrame(HEADER, [answering(SAMPLES.withdrawal, 9)]);
    expect(frame).toEqual(frameOfBytes(toBinary(BatchHeaderSchema, header), payload));
  });

  test("reads a frame that lies inside a larger buffer, and keeps no part of it", () => {
    const buffer = concatenate(countingBytes(0, 7), small, countingBytes(0, 5));
    const batch = decodeFrame(buffer.subarray(7, 7 + small.length));
    // A store may hand out its own memory: what was read from it must not change with it.
    buffer.fill(0xff);
    expect(batch).toEqual(decodeFrame(small));
    const inBuffer = decodeFrame(Buffer.from(small));
    expect(inBuffer).toEqual(decodeFrame(small));
  });
});

describe("bytes that changed", () => {
  /** Each single bit, every change of a wire type, and all bits. */
  const MASKS = [1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64, 128, 255];

  test("refuses a frame that is cut off, wherever", () => {
    for (let length = 0; length < small.length; length++)
      expect(() => decodeFrame(small.subarray(0, length)), `the first ${length} bytes`).toThrow(JournalFormatError);
  });

  test("refuses a frame with bytes behind it", () => {
    for (const extra of [0, 1, 0x0a, 0xff])
      expect(() => decodeFrame(concatenate(small, Uint8Array.of(extra)))).toThrow(JournalFormatError);
    expect(() => decodeFrame(concatenate(small, small))).toThrow(JournalFormatError);
  });

  /** All kinds in four frames, with a request and without in each: the test takes the square of their length. */
  const quarters = [0, 1, 2, 3].map((quarter) => {
    const records = everyKind();
    const groups = records.splice(-GROUPS);
    const chosen = records.filter((_, i) => i % 4 === quarter);
    return encodeFrame(HEADER, quarter === 3 ? [...chosen, ...groups] : chosen);
  });

  test.each(quarters.map((bytes) => ({ bytes })))(
    "refuses every changed byte, or reads other contents, whose only encoding it then is",
    ({ bytes }) => {
      const before = decodeFrame(bytes);
      let refused = 0;
      for (let at = 0; at < bytes.length; at++) {
        for (const mask of MASKS) {
          const changed = flipped(bytes, at, mask);
          const batch = tryDecode(changed);
          if (batch === undefined) {
            refused++;
            continue;
          }
          const { count, ...header } = batch.header;
          if (count !== batch.records.length || !same(encodeFrame(header, batch.records), changed))
            expect.unreachable(`byte ${at} with ${mask} turned is a second encoding`);
          // The comparison is slow, and the one above implies it: for a few of the bits.
          if (mask === 1 || mask === 128) expect(batch).not.toEqual(before);
        }
      }
      // Both happen: amounts, ids and texts may hold anything, structure may not.
      expect(refused).toBeGreaterThan(bytes.length * MASKS.length * 0.2);
      expect(refused).toBeLessThan(bytes.length * MASKS.length * 0.5);
    },
  );

  test("are of every kind in these tests, answering a request and not", () => {
    const records = quarters.flatMap((frame) => decodeFrame(frame).records.slice());
    const shown = (asked: boolean) =>
      new Set(records.filter(({ request }) => (request !== undefined) === asked).map(({ kind }) => kind));
    expect(shown(false)).toEqual(new Set(Object.values(RecordKind)));
    expect(new Set([...shown(true), RecordKind.EPOCH_BEGUN])).toEqual(new Set(Object.values(RecordKind)));
  });
});

describe("what a frame may not say", () => {
  const frame = encodeFrame(HEADER, [SAMPLES.transfer]);

  test.each([0, 2, 3, 255])("refuses format %i", (format) => {
    const other = altered(frame, { header: { format } });
    expect(() => decodeFrame(other)).toThrow(
      new JournalFormatError(`the journal has format ${format}, and this program reads format 1: use a newer program`),
    );
  });

  const headerChanges: [string, Changes][] = [
    ["a batch has 1 to 16384 records, not 0", { header: { count: 0 } }],
    ["a batch has 1 to 16384 records, not 16385", { header: { count: 16_385 } }],
    ["the batch has 1 kinds for 2 records", { header: { count: 2 } }],
    ["positions begin at 1", { header: { firstPosition: 0n, committedPosition: 0n } }],
    ["a batch is not committed before it is written", { header: { committedPosition: 1_001n } }],
    ["an epoch id has 16 bytes", { header: { epochId: countingBytes(0, 15) } }],
    ["an epoch id has 16 bytes", { header: { epochId: new Uint8Array(0) } }],
    ["a digest has 16 bytes", { header: { digestAfter: countingBytes(0, 17) } }],
    ["beyond every real journal", { header: { firstPosition: 2n ** 53n } }],
    ["beyond every real journal", { header: { timeMs: 2n ** 64n - 1n } }],
    ["beyond every real journal", { header: { committedPosition: 2n ** 53n } }],
  ];
  test.each(headerChanges)("refuses a header: %s", (message, change) => {
    expect(() => decodeFrame(altered(frame, change))).toThrow(message);
    expect(() => decodeFrame(altered(frame, change))).toThrow(JournalFormatError);
  });

  test("refuses a frame without a header, and a header without a payload", () => {
    expect(() => decodeFrame(new Uint8Array(0))).toThrow("a frame has 4 to");
    expect(() => decodeFrame(new Uint8Array(4))).toThrow("format 0");
    expect(() => decodeFrame(Uint8Array.of(1, 0, 0, 0))).toThrow("ends inside its header");
    const { length } = toBinary(BatchHeaderSchema, create(BatchHeaderSchema, {}));
    expect(length).toBe(0);
    const headerOnly = altered(frame, { payload: { kinds: new Uint8Array(0) } });
    expect(() => decodeFrame(headerOnly)).toThrow("the batch has 0 kinds for 1 records");
  });

  test("refuses an epoch that begins inside a batch, or under another id", () => {
    const inside = [SAMPLES.transfer, SAMPLES.epochBegun];
    expect(() => encodeFrame(HEADER, inside)).toThrow("an epoch begins with the first record of a batch");
    expect(() => encodeFrame({ ...HEADER, epochId: countingBytes(1, 16) }, [SAMPLES.epochBegun])).toThrow(
      "a batch that begins an epoch is written under it",
    );
    const two = altered(encodeFrame(HEADER, [SAMPLES.epochBegun]), ({ epochsBegun }) => ({
      header: { count: 2 },
      payload: {
        kinds: Uint8Array.of(RecordKind.EPOCH_BEGUN, RecordKind.EPOCH_BEGUN),
        epochsBegun: epochsBegun.concat(epochsBegun),
      },
    }));
    expect(() => decodeFrame(two)).toThrow("an epoch begins with the first record of a batch");
    const other = altered(encodeFrame(HEADER, [SAMPLES.epochBegun]), { header: { epochId: countingBytes(1, 16) } });
    expect(() => decodeFrame(other)).toThrow("a batch that begins an epoch is written under it");
  });

  test("writes nothing that it would refuse to read", () => {
    const unwritable: [Partial<typeof HEADER>, LedgerRecord[]][] = [
      [{}, []],
      [{}, Array.from({ length: BATCH_RECORDS_MAX + 1 }, () => SAMPLES.transfer)],
      [{ firstPosition: 0, committedPosition: -1 }, [SAMPLES.transfer]],
      [{ committedPosition: HEADER.firstPosition }, [SAMPLES.transfer]],
      [{ epochId: new Uint8Array(15) }, [SAMPLES.transfer]],
      [{ digestAfter: new Uint8Array(0) }, [SAMPLES.transfer]],
      [{}, [{ ...SAMPLES.epochBegun, bankId: new Uint8Array(17) }]],
      [{}, [{ ...SAMPLES.stateRoot, root: new Uint8Array(31) }]],
      [{}, [transfer(undefined, { debit: (2 ** 32) as never })]],
      [{}, [transfer(undefined, { credit: -1 as never })]],
      [{}, [transfer(undefined, { amount: -1n })]],
      [{}, [transfer(undefined, { amount: 2n ** 63n })]],
      [{}, [transfer(undefined, { amount: 2n ** 64n })]],
    ];
    for (const [header, records] of unwritable)
      expect(() => encodeFrame({ ...HEADER, ...header }, records)).toThrow(JournalFormatError);
  });

  test("writes no text that a reader would see otherwise", () => {
    const half = "\ud83c";
    const { rejected } = SAMPLES;
    const records: LedgerRecord[] = [
      transfer(undefined, { principal: half }),
      { ...SAMPLES.accountOpened, name: half },
      { ...SAMPLES.accountOpened, owner: `${half}x` },
      { ...SAMPLES.accountOpened, displayName: `x${half}` },
      { ...SAMPLES.accountOpened, alias: half },
      { ...SAMPLES.accountOpened, metadata: { [half]: "" } },
      { ...SAMPLES.accountOpened, metadata: { a: half } },
      { ...SAMPLES.accountUpdated, displayName: half },
      { ...SAMPLES.accountUpdated, metadata: { [half]: "" } },
      { ...SAMPLES.accountUpdated, metadata: { a: half } },
      { ...SAMPLES.currencyDefined, code: half },
      { ...SAMPLES.branchRegistered, name: half },
      { ...SAMPLES.branchRegistered, address: half },
      { ...rejected, rejection: { ...rejected.rejection, metadata: { account: half } } },
      { ...rejected, rejection: { ...rejected.rejection, metadata: { [half]: "" } } },
    ];
    for (const record of records) expect(() => encodeFrame(HEADER, [record])).toThrow("half of a surrogate pair");
  });
});

describe("the size of a frame", () => {
  /** A rejection whose frame has exactly `length` bytes. */
  function frameOfLength(length: number): Uint8Array {
    const record = (size: number): LedgerRecord => ({
      ...SAMPLES.rejected,
      rejection: { reason: "ACCOUNT_NOT_FOUND", metadata: { account: "x".repeat(size) } },
    });
    const overhead = encodeFrame(HEADER, [record(1_000_000)]).length - 1_000_000;
    return encodeFrame(HEADER, [record(length - overhead)]);
  }

  test("goes up to the limit and not beyond, written and read", () => {
    const largest = frameOfLength(FRAME_BYTES_MAX);
    expect(largest.length).toBe(FRAME_BYTES_MAX);
    expect(decodeFrame(largest).records).toHaveLength(1);
    expect(() => frameOfLength(FRAME_BYTES_MAX + 1)).toThrow(
      new JournalFormatError("a frame of 2097153 bytes is over the limit of 2097152"),
    );
    expect(() => decodeFrame(concatenate(largest, Uint8Array.of(0)))).toThrow("a frame has 4 to 2097152 bytes");
    expect(() => decodeHeader(concatenate(largest, Uint8Array.of(0)))).toThrow("a frame has 4 to 2097152 bytes");
  });
});

function isEpoch(record: LedgerRecord): boolean {
  return record.kind === RecordKind.EPOCH_BEGUN;
}

function tryDecode(frame: Uint8Array): ReturnType<typeof decodeFrame> | undefined {
  try {
    return decodeFrame(frame);
  } catch (error) {
    if (error instanceof JournalFormatError) return undefined;
    throw error;
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

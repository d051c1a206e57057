import type { LedgerRecord } from "@bank/core";
import { RecordKind } from "@bank/core";
import type { BatchPayload } from "@bank/proto";
import { ActorSchema, BatchPayloadSchema, RejectedSchema } from "@bank/proto";
import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { JournalFormatError } from "./errors.ts";
import { decodeFrame, encodeFrame } from "./frame.ts";
import type { Changes } from "./raw-frame.test-util.ts";
import { altered, takeApart } from "./raw-frame.test-util.ts";
import { answering, everyKind, group, HEADER, requestKey, SAMPLES, transfer } from "./sample-records.test-util.ts";

/** Two of everything, answering requests, under two actors. */
const { epochBegun, ...others } = SAMPLES;
const doubled = Object.values<LedgerRecord>(others).flatMap((record, i) => [
  answering(record, i),
  { ...answering(record, 100 + i), branch: 4 },
]);
const whole = [epochBegun, ...doubled, ...group(2, requestKey(98)), ...group(3, requestKey(99))];
const frame = encodeFrame(HEADER, whole);

function refusal(changes: Changes | ((payload: BatchPayload) => Changes)): () => unknown {
  return () => decodeFrame(altered(frame, changes));
}

test("the frame that the tests below spoil is sound, and uses every column", () => {
  expect(decodeFrame(altered(frame, {})).records.slice()).toEqual(whole);
  const { payload } = takeApart(frame);
  for (const { localName } of BatchPayloadSchema.fields)
    expect((payload[localName as keyof BatchPayload] as ArrayLike<unknown>).length, localName).toBeGreaterThan(0);
});

describe("values that no program of this version knows", () => {
  test.each([0, 24, 25, 64, 126, 127])("refuses record kind %i, with a request and without", (kind) => {
    const message = `record kind ${kind} is unknown: use a newer program`;
    const plain = encodeFrame(HEADER, [SAMPLES.transfer]);
    const asking = encodeFrame(HEADER, [answering(SAMPLES.transfer, 1)]);
    expect(() => decodeFrame(altered(plain, { payload: { kinds: Uint8Array.of(kind) } }))).toThrow(
      new JournalFormatError(message),
    );
    expect(() => decodeFrame(altered(asking, { payload: { kinds: Uint8Array.of(0x80 | kind) } }))).toThrow(message);
  });

  test.each([0, 6, 255, 4_294_967_295])("refuses account type %i", (type) => {
    const change = refusal(({ accountsOpened: [first, second] }) => ({
      payload: { accountsOpened: [first!, { ...second!, type }] },
    }));
    expect(change).toThrow(new JournalFormatError(`account type ${type} is unknown: use a newer program`));
  });

  test.each([0, 1_000, 4_294_967_295])("refuses rejection %i", (reason) => {
    const change = refusal(({ rejections: [first, second] }) => ({
      payload: { rejections: [first!, { ...second!, reason }] },
    }));
    expect(change).toThrow(new JournalFormatError(`rejection ${reason} is unknown: use a newer program`));
  });

  test("refuses numbers that are no safe integers", () => {
    const large = 2n ** 53n;
    const changes: ((payload: BatchPayload) => Changes)[] = [
      ({ accountsOpened: [first, second] }) => ({
        payload: { accountsOpened: [first!, { ...second!, number: large }] },
      }),
      ({ epochsBegun: [first] }) => ({ payload: { epochsBegun: [{ ...first!, number: large }] } }),
      ({ stateRoots: [first, second] }) => ({ payload: { stateRoots: [first!, { ...second!, position: large }] } }),
    ];
    for (const change of changes) expect(refusal(change)).toThrow("beyond every real journal");
  });

  test("refuses ids and roots of another length", () => {
    const changes: ((payload: BatchPayload) => Changes)[] = [
      ({ epochsBegun: [first] }) => ({ payload: { epochsBegun: [{ ...first!, id: new Uint8Array(15) }] } }),
      ({ epochsBegun: [first] }) => ({ payload: { epochsBegun: [{ ...first!, bankId: new Uint8Array(0) }] } }),
      ({ stateRoots: [first, second] }) => ({
        payload: { stateRoots: [first!, { ...second!, root: new Uint8Array(33) }] },
      }),
    ];
    for (const change of changes) expect(refusal(change)).toThrow(JournalFormatError);
  });
});

describe("columns that do not fit the records", () => {
  const columns = BatchPayloadSchema.fields.map(({ localName }) => localName as keyof BatchPayload);
  type Column = { slice(from: number, to?: number): unknown };

  /** Whether what remains still is a batch: then it holds other records. */
  function refusesOrDiffers(changes: (payload: BatchPayload) => Changes): void {
    expect(refusal(changes)).toThrow(JournalFormatError);
  }

  test.each(columns)("refuses a column with one value too few: %s", (name) => {
    refusesOrDiffers((payload) => ({ payload: { [name]: (payload[name] as Column).slice(0, -1) } }));
    refusesOrDiffers((payload) => ({ payload: { [name]: (payload[name] as Column).slice(1) } }));
    refusesOrDiffers((payload) => ({ payload: { [name]: (payload[name] as Column).slice(0, 0) } }));
  });

  test.each(columns)("refuses a column with one value too many: %s", (name) => {
    refusesOrDiffers((payload) => {
      const column = payload[name] as Uint8Array | readonly unknown[];
      const longer = column instanceof Uint8Array ? Uint8Array.of(...column, 1) : [...column, column[0]];
      return { payload: { [name]: longer } };
    });
  });

  test("refuses request ids and hashes that are too many by whole requests", () => {
    const message = "a column has more values than the records use";
    const longer = (bytes: Uint8Array, by: number) => Uint8Array.of(...bytes, ...new Uint8Array(by));
    expect(
      refusal(({ requestIds, requestHashes }) => ({
        payload: { requestIds: longer(requestIds, 16), requestHashes: longer(requestHashes, 8) },
      })),
    ).toThrow(message);
    expect(
      refusal(({ requestIds, requestHashes }) => ({
        payload: { requestIds: requestIds.slice(16), requestHashes: requestHashes.slice(8) },
      })),
    ).toThrow("the column of request ids ends too early");
  });

  test("refuses a request id that is cut off, even when hashes and ids still agree", () => {
    // 8 bytes of an id and 4 of a hash are half a request.
    expect(
      refusal(({ requestIds, requestHashes }) => ({
        payload: { requestIds: requestIds.slice(0, -8), requestHashes: requestHashes.slice(0, -4) },
      })),
    ).toThrow("the column of request ids ends too early");
  });

  test("refuses movements whose three columns are too long together", () => {
    expect(
      refusal(({ debit, credit, amount }) => ({
        payload: { debit: [...debit, 1], credit: [...credit, 2], amount: [...amount, 3n] },
      })),
    ).toThrow("a column has more values than the records use");
  });
});

describe("the dictionary of actors", () => {
  const dev = create(ActorSchema, { principal: "dev", branch: 3 });
  const ops = create(ActorSchema, { principal: "ops", branch: 3 });
  const three = encodeFrame(HEADER, [
    transfer(undefined),
    transfer(undefined, { principal: "ops" }),
    transfer(undefined),
  ]);

  test.each<[string, Partial<BatchPayload>]>([
    ["an index behind the end", { actor: [0, 1, 2] }],
    ["no actors", { actors: [], actor: [] }],
    ["no actors, but indexes", { actors: [], actor: [0, 0, 0] }],
    ["indexes although there is one actor", { actors: [dev], actor: [0, 0, 0] }],
    ["two actors and no indexes", { actor: [] }],
    ["another order than that of first use", { actors: [ops, dev], actor: [1, 0, 1] }],
    ["an actor that nobody names", { actor: [0, 0, 0] }],
    ["an actor behind the last that is named", { actors: [dev, ops, create(ActorSchema, { principal: "x" })] }],
    ["the same actor twice", { actors: [dev, dev] }],
  ])("refuses %s", (_, payload) => {
    expect(() => decodeFrame(altered(three, { payload }))).toThrow(JournalFormatError);
  });

  test("tells actors apart whose names run into their branches", () => {
    const records = [
      transfer(undefined, { principal: "1 x", branch: 1 }),
      transfer(undefined, { principal: "x", branch: 1 }),
      transfer(undefined, { principal: " x", branch: 11 }),
    ];
    expect(decodeFrame(encodeFrame(HEADER, records)).records.slice()).toEqual(records);
  });
});

describe("the variable parts of a rejection", () => {
  const rejected = encodeFrame(HEADER, [SAMPLES.rejected]);
  const withParts = (keys: string[], values: string[]) =>
    altered(rejected, { payload: { rejections: [create(RejectedSchema, { reason: 2, keys, values })] } });

  test("are read when their names ascend, empty ones too", () => {
    const [record] = decodeFrame(withParts(["", "a", "b"], ["1", "", "2"])).records;
    expect(record).toEqual({
      ...SAMPLES.rejected,
      rejection: { reason: "ACCOUNT_NOT_FOUND", metadata: { "": "1", a: "", b: "2" } },
    });
  });

  test("are written in ascending order, whatever order they came in", () => {
    const metadata = { requested: "", currency: "EUR", available: "0.00", account: "17" };
    const record = { ...SAMPLES.rejected, rejection: { ...SAMPLES.rejected.rejection, metadata } };
    expect(encodeFrame(HEADER, [record])).toEqual(rejected);
  });

  test.each([
    ["a name without a value", ["a", "b"], ["1"]],
    ["a value without a name", ["a"], ["1", "2"]],
    ["a name twice", ["a", "a"], ["1", "2"]],
    ["names that do not ascend", ["b", "a"], ["1", "2"]],
  ])("are refused with %s", (_, keys, values) => {
    expect(() => decodeFrame(withParts(keys, values))).toThrow(JournalFormatError);
  });

  test("cannot reach the prototype of an object", () => {
    const [record] = decodeFrame(withParts(["__proto__", "constructor"], ["1", "2"])).records;
    const { metadata } = (record as typeof SAMPLES.rejected).rejection;
    expect(Object.entries(metadata)).toEqual([
      ["__proto__", "1"],
      ["constructor", "2"],
    ]);
    expect(Object.getPrototypeOf(metadata)).toBe(Object.prototype);
  });
});

test("columns are the bytes that a plain protobuf encoder would write", () => {
  for (const records of [everyKind(), [SAMPLES.transfer], [SAMPLES.stateRoot], doubled]) {
    const bytes = encodeFrame(HEADER, records);
    const { payload } = takeApart(bytes);
    const plain = toBinary(BatchPayloadSchema, payload);
    expect(bytes.subarray(bytes.length - plain.length)).toEqual(plain);
    const movements = records.filter(({ kind }) => kind <= RecordKind.TRANSFER) as (typeof SAMPLES.transfer)[];
    expect(payload.debit).toEqual(movements.map(({ debit }) => debit));
    expect(payload.credit).toEqual(movements.map(({ credit }) => credit));
    expect(payload.amount).toEqual(movements.map(({ amount }) => amount));
  }
});

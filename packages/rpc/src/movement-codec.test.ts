import { BatchResultSchema, ExecuteMovementsRequestSchema, ExecuteMovementsResponseSchema } from "@bank/proto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { columnOf, type FixedColumn } from "./fixed-columns.ts";
import { decodeMovements, decodeMovementsReply, encodeMovements, encodeMovementsReply } from "./movement-codec.ts";

const REQUEST = ExecuteMovementsRequestSchema;
const REPLY = ExecuteMovementsResponseSchema;
const fixed64 = fc.oneof(fc.bigInt(0n, 2n ** 64n - 1n), fc.constantFrom(0n, 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n));
const column = fc.array(fixed64, { maxLength: 12 });
const requests = fc.record({
  currencyCode: fc.oneof(fc.constant("USD"), fc.string({ unit: "grapheme", maxLength: 5 })),
  debitAccounts: column,
  creditAccounts: column,
  amountsMinor: column,
  baseRequestId: fc.uint8Array({ maxLength: 17 }),
  requestIdsHigh: column,
  requestIdsLow: column,
});
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const replies = fc.record({
  positions: column,
  times: fc.array(fc.record({ row: fc.oneof(fc.constant(0), uint32), timeMs: fixed64 }), { maxLength: 4 }),
  others: fc.array(
    fc.record({
      row: uint32,
      result: fc
        .record({ code: uint32, reason: fc.string(), position: fixed64 })
        .map((value) => create(BatchResultSchema, { result: { case: "failure", value }, replayed: true })),
    }),
    { maxLength: 3 },
  ),
  branch: uint32,
  readInfo: fc.option(fc.record({ position: fixed64, session: fc.string() }), { nil: undefined }),
});

/** With the columns as protobuf-es gives them. */
function plain<T extends object>(message: T): T {
  const entries = Object.entries(message).map(([name, value]) => [
    name,
    value instanceof BigUint64Array ? Array.from(value) : value,
  ]);
  return Object.assign(Object.create(Object.getPrototypeOf(message)), Object.fromEntries(entries));
}

/** One field of a message as somebody may write it. */
const fields = fc.oneof(
  fc.record({ number: fc.constantFrom(2, 3, 4, 6, 7), packed: column }),
  fc.record({ number: fc.constantFrom(2, 3, 4, 6, 7), single: fixed64 }),
  fc.record({ number: fc.constantFrom(1, 5, 99), bytes: fc.uint8Array({ maxLength: 20 }) }),
  fc.record({ number: fc.constantFrom(8, 400), varint: uint32 }),
  // As nobody should write them.
  fc.record({ number: fc.constantFrom(1, 2, 5), varint: fc.nat(20) }),
  fc.record({ number: fc.constantFrom(2, 3), bytes: fc.uint8Array({ maxLength: 20 }) }),
);

function written(parts: readonly object[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const part of parts as {
    number: number;
    packed?: bigint[];
    single?: bigint;
    bytes?: Uint8Array;
    varint?: number;
  }[]) {
    const { number, packed, single, bytes, varint } = part;
    if (packed !== undefined) {
      writer.tag(number, WireType.LengthDelimited).fork();
      for (const entry of packed) writer.fixed64(entry);
      writer.join();
    }
    if (single !== undefined) writer.tag(number, WireType.Bit64).fixed64(single);
    if (bytes !== undefined) writer.tag(number, WireType.LengthDelimited).bytes(bytes);
    if (varint !== undefined) writer.tag(number, WireType.Varint).uint32(varint);
  }
  return writer.finish();
}

/** What reading gives, or that it throws. */
function attempt<T>(read: () => T): T | "unreadable" {
  try {
    return read();
  } catch {
    return "unreadable";
  }
}

describe("the codec of movements", () => {
  it("reads a request as protobuf-es does", () => {
    fc.assert(
      fc.property(requests, (request) => {
        const bytes = toBinary(REQUEST, create(REQUEST, request));
        const read = decodeMovements(bytes);
        expect(read.debitAccounts).toBeInstanceOf(BigUint64Array);
        expect(plain(read)).toEqual(fromBinary(REQUEST, bytes));
      }),
    );
  });

  it("reads columns in several runs, entry by entry, in any order, and among fields that nobody knows", () => {
    fc.assert(
      fc.property(fc.array(fields, { maxLength: 12 }), fc.nat(3), (parts, offset) => {
        const bytes = written(parts);
        const shifted = new Uint8Array(bytes.length + offset).subarray(offset);
        shifted.set(bytes);
        expect(attempt(() => plain(decodeMovements(shifted)))).toEqual(attempt(() => fromBinary(REQUEST, bytes)));
      }),
    );
  });

  it("leaves columns in very many pieces to protobuf-es, and keeps what stands between a few", () => {
    const entries = (count: number) =>
      written(
        Array.from({ length: count }, (_, i) => [
          { number: 2, single: BigInt(i) },
          { number: 99, varint: i },
        ]).flat(),
      );
    const few = decodeMovements(entries(1_000));
    expect(few.debitAccounts).toBeInstanceOf(BigUint64Array);
    expect(few.$unknown).toHaveLength(1_000);
    expect(plain(few)).toEqual(fromBinary(REQUEST, entries(1_000)));
    const many = decodeMovements(entries(1_001));
    expect(many.debitAccounts).toBeInstanceOf(Array);
    expect(many).toEqual(fromBinary(REQUEST, entries(1_001)));
  });

  it("reads and refuses damaged bytes as protobuf-es does", () => {
    fc.assert(
      fc.property(fc.array(fields, { maxLength: 4 }), fc.nat(), fc.nat(255), fc.nat(6), (parts, at, byte, cut) => {
        const whole = written(parts);
        const bytes = whole.slice(0, Math.max(0, whole.length - cut));
        if (bytes.length > 0) bytes[at % bytes.length] = byte;
        expect(attempt(() => plain(decodeMovements(bytes)))).toEqual(attempt(() => fromBinary(REQUEST, bytes)));
      }),
      { numRuns: 500 },
    );
  });

  it("writes a request that protobuf-es reads, and passes on what it read as it came", () => {
    fc.assert(
      fc.property(requests, (request) => {
        const message = create(REQUEST, request);
        const bytes = encodeMovements(message);
        expect(fromBinary(REQUEST, bytes)).toEqual(message);
        expect(encodeMovements(decodeMovements(bytes))).toBe(bytes);
      }),
    );
  });

  it("writes a reply as protobuf-es does, from columns of either kind, and reads it", () => {
    fc.assert(
      fc.property(replies, (reply) => {
        const message = create(REPLY, reply);
        const bytes = toBinary(REPLY, message);
        expect(encodeMovementsReply(message)).toEqual(bytes);
        const positions: FixedColumn = BigUint64Array.from(reply.positions);
        expect(encodeMovementsReply({ ...message, positions })).toEqual(bytes);
        expect(plain(decodeMovementsReply(bytes))).toEqual(message);
      }),
    );
  });

  it("makes columns of positions", () => {
    const positions = fc.array(fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1)));
    fc.assert(
      fc.property(positions, (numbers) => {
        expect(Array.from(columnOf(Float64Array.from(numbers)))).toEqual(numbers.map(BigInt));
      }),
    );
  });
});

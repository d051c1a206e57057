import {
  DepositRequestSchema,
  DepositResponseSchema,
  GetBalanceResponseSchema,
  TransferRequestSchema,
  TransferResponseSchema,
  WithdrawRequestSchema,
  WithdrawResponseSchema,
} from "@bank/proto";
import {
  create,
  type DescMessage,
  fromBinary,
  type Message,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeDeposit,
  decodeTransfer,
  decodeWithdrawal,
  encodePlain,
  writeBalance,
  writeMovement,
} from "./plain-codec.ts";

/** What is left out is undefined here. */
type MovementInit = MessageInitShape<typeof DepositResponseSchema>;

const text = fc.oneof(
  { arbitrary: fc.string({ unit: "grapheme-ascii", maxLength: 40 }), weight: 8 },
  fc.string({ unit: "grapheme", maxLength: 200 }),
  fc.constantFrom("x".repeat(127), "x".repeat(128), "x".repeat(3_000), "\u007f", "\u0080"),
);
const whole = (max: bigint) =>
  fc.oneof(fc.bigInt(0n, max), fc.constantFrom(0n, 1n, 127n, 128n, 2n ** 53n - 1n, 2n ** 53n, max));
const uint64 = whole(2n ** 64n - 1n);
const int64 = fc.oneof(whole(2n ** 63n - 1n), fc.bigInt(-(2n ** 63n), -1n));
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
function some<T>(values: fc.Arbitrary<T>) {
  return fc.option(values, { nil: undefined, freq: 6 });
}
const money = some(fc.record({ currencyCode: text, amountMinor: int64 }));
const time = some(fc.record({ seconds: int64, nanos: fc.integer({ min: -1, max: 999_999_999 }) }));
const readInfo = some(
  fc.record({
    position: uint64,
    stalenessMs: some(uint64),
    session: text,
    time,
    connected: fc.boolean(),
    epoch: uint64,
    propagation: fc.option(fc.record({ satisfied: fc.boolean() }), { nil: undefined, freq: 1 }),
  }),
);
const transaction = some(
  fc.record({
    position: uint64,
    kind: fc.integer({ min: 0, max: 6 }),
    debitAccount: text,
    creditAccount: text,
    amount: money,
    branch: uint32,
    time,
    requestId: text,
    reverses: uint64,
    hold: uint64,
    reversedBy: uint64,
  }),
);
const movement = fc.record({ transaction, replayed: fc.boolean(), readInfo });
const balance = fc.record({
  posted: money,
  version: some(uint64),
  held: money,
  available: money,
  position: uint64,
  time,
  readInfo,
});
const write = { requestId: text, amount: money, expectedVersion: some(uint64), validateOnly: fc.boolean() };
const cash = fc.record({ ...write, account: text });
const transfer = fc.record({ ...write, fromAccount: text, toAccount: text });

/** With a field that nobody knows, at times. */
function odd<T extends Message>(messages: fc.Arbitrary<T>): fc.Arbitrary<T> {
  const unknown = [{ no: 99, wireType: WireType.Varint, data: new Uint8Array([7]) }];
  return fc.oneof(
    { arbitrary: messages, weight: 9 },
    messages.map((one) => Object.assign(one, { $unknown: unknown })),
  );
}

describe.each([
  ["deposit", DepositResponseSchema],
  ["withdrawal", WithdrawResponseSchema],
  ["transfer", TransferResponseSchema],
] as const)("the answer to a %s", (_, type) => {
  it("is written byte by byte as protobuf-es writes it", () => {
    fc.assert(
      fc.property(
        odd(movement.map((init) => create(type as typeof DepositResponseSchema, init as MovementInit))),
        (message) => {
          const desc = type as typeof DepositResponseSchema;
          expect(encodePlain(desc, message, writeMovement)).toEqual(toBinary(desc, message));
        },
      ),
    );
  });
});

describe("a balance", () => {
  it("is written byte by byte as protobuf-es writes it", () => {
    fc.assert(
      fc.property(odd(balance.map((init) => create(GetBalanceResponseSchema, init))), (message) => {
        expect(encodePlain(GetBalanceResponseSchema, message, writeBalance)).toEqual(
          toBinary(GetBalanceResponseSchema, message),
        );
      }),
    );
  });
});

/** A 1 with so many bytes of nothing behind it. */
function padded(length: number): Uint8Array {
  return Uint8Array.from({ length: length + 1 }, (_, i) => (i === 0 ? 1 : 0) + (i < length ? 0x80 : 0));
}

/** Fields of a request as somebody may write them: also twice, in any order, of other types, and unknown ones. */
const fields = fc.oneof(
  fc.record({ number: fc.constantFrom(1, 2, 3, 4, 15), bytes: fc.uint8Array({ maxLength: 12 }) }),
  fc.record({ number: fc.constantFrom(1, 2, 3), text }),
  fc.record({ number: fc.constantFrom(3, 4), money: fc.record({ currencyCode: text, amountMinor: int64 }) }),
  // Half of it: what comes twice is joined.
  fc.record({ number: fc.constantFrom(3, 4), money: fc.record({ currencyCode: text }) }),
  fc.record({ number: fc.constantFrom(3, 4), money: fc.record({ amountMinor: int64 }) }),
  // Longer than it need be, or than any number.
  fc.record({ number: fc.constantFrom(13, 14), raw: fc.integer({ min: 0, max: 12 }).map(padded) }),
  fc.record({ number: fc.constantFrom(2, 13, 14, 99), varint: uint64 }),
);

function written(parts: readonly object[]): Uint8Array<ArrayBuffer> {
  const writer = new BinaryWriter();
  for (const part of parts as {
    number: number;
    bytes?: Uint8Array;
    text?: string;
    money?: { currencyCode?: string; amountMinor?: bigint };
    varint?: bigint;
    raw?: Uint8Array;
  }[]) {
    const { number, bytes, text: words, money: inner, varint, raw } = part;
    if (bytes !== undefined) writer.tag(number, WireType.LengthDelimited).bytes(bytes);
    if (words !== undefined) writer.tag(number, WireType.LengthDelimited).string(words);
    if (varint !== undefined) writer.tag(number, WireType.Varint).uint64(varint);
    if (raw !== undefined) writer.tag(number, WireType.Varint).raw(raw);
    if (inner === undefined) continue;
    writer.tag(number, WireType.LengthDelimited).fork();
    if (inner.amountMinor !== undefined) writer.tag(2, WireType.Varint).int64(inner.amountMinor);
    if (inner.currencyCode !== undefined) writer.tag(1, WireType.LengthDelimited).string(inner.currencyCode);
    writer.join();
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

const REQUESTS: readonly (readonly [string, DescMessage, fc.Arbitrary<Message>, (bytes: Uint8Array) => Message])[] = [
  ["deposit", DepositRequestSchema, cash.map((init) => create(DepositRequestSchema, init)), decodeDeposit],
  ["withdrawal", WithdrawRequestSchema, cash.map((init) => create(WithdrawRequestSchema, init)), decodeWithdrawal],
  ["transfer", TransferRequestSchema, transfer.map((init) => create(TransferRequestSchema, init)), decodeTransfer],
];

describe.each(REQUESTS)("a %s", (_, type, messages, decode) => {
  it("is read as protobuf-es reads it", () => {
    fc.assert(
      fc.property(messages, (message) => {
        const bytes = toBinary(type, message);
        expect(decode(bytes)).toStrictEqual(fromBinary(type, bytes));
      }),
    );
  });

  it("has an amount that may come in parts", () => {
    for (const number of [3, 4]) {
      const bytes = written([
        { number, money: { currencyCode: "USD" } },
        { number, money: { amountMinor: 5n } },
      ]);
      expect(decode(bytes)).toStrictEqual(fromBinary(type, bytes));
    }
  });

  it("is read, or not, as by protobuf-es, however it is written", () => {
    fc.assert(
      fc.property(fc.array(fields, { maxLength: 6 }), fc.option(fc.tuple(fc.nat(), fc.nat(255))), (parts, damage) => {
        const bytes = written(parts);
        if (damage !== null && bytes.length > 0) bytes[damage[0] % bytes.length] = damage[1];
        expect(attempt(() => decode(bytes))).toStrictEqual(attempt(() => fromBinary(type, bytes)));
      }),
      { numRuns: 300 },
    );
  });
});

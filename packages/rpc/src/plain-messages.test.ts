import {
  BatchItemSchema,
  DepositRequestSchema,
  ExecuteBatchRequestSchema,
  ExecuteMovementsRequestSchema,
  FollowRequestSchema,
  GetAccountRequestSchema,
  GetBalanceRequestSchema,
  ProbeRequestSchema,
  TransferRequestSchema,
  WithdrawRequestSchema,
} from "@bank/proto";
import { create, type DescMessage, type Message } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tooMany } from "./message-counts.ts";
import { MessageRules } from "./message-rules.ts";
import { decodeMovements, encodeMovements } from "./movement-codec.ts";
import { isPlain } from "./plain-messages.ts";

const validator = createValidator();
// Items of groups before anything that holds them: see `MessageRules`.
validator.validate(BatchItemSchema, create(BatchItemSchema));
const rules = new MessageRules();

/** Mostly in order, so that whole messages often are. */
function mostly<T>(fine: fc.Arbitrary<T>, wrong: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ arbitrary: fine, weight: 12 }, { arbitrary: wrong, weight: 1 });
}

const requestId = mostly(
  fc.oneof(
    fc.uuid(),
    fc.uuid().map((id) => id.toUpperCase()),
    fc.constant(""),
  ),
  fc.oneof(
    fc.string(),
    fc.uuid().map((id) => id.slice(1)),
    fc.uuid().map((id) => `${id}0`),
    fc.uuid().map((id) => `${id}\n`),
    fc.uuid().map((id) => id.replaceAll("-", "")),
    fc.uuid().map((id) => `g${id.slice(1)}`),
  ),
);
const account = mostly(
  fc.stringMatching(/^[0-9a-zA-Z/:]{1,64}$/),
  fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 70 }),
    fc.constantFrom("", "x".repeat(64), "x".repeat(65), "ä".repeat(32), "ä".repeat(33), "\u0080".repeat(64), "\0"),
  ),
);
const currencyCode = mostly(
  fc.constantFrom("USD", "AAA", "ZZZ"),
  fc.oneof(
    fc.string({ maxLength: 4 }),
    fc.constantFrom("US", "USDX", "usd", "U$D", "US\n", "USD\n", "[SD", "@SD", "ÀSD"),
  ),
);
const amount = mostly(
  fc.record({ currencyCode, amountMinor: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n) }),
  fc.constant(undefined),
);
const expectedVersion = mostly(fc.constant<bigint | undefined>(undefined), fc.constantFrom(0n, 1n, 2n, 2n ** 64n - 1n));
const write = { requestId, amount, expectedVersion, validateOnly: fc.boolean() };
const cash = fc.record({ ...write, account });
const transfer = fc.record({ ...write, fromAccount: account, toAccount: account });
const item = fc.oneof(
  cash.map((value) => ({ command: { case: "deposit" as const, value } })),
  cash.map((value) => ({ command: { case: "withdraw" as const, value } })),
  transfer.map((value) => ({ command: { case: "transfer" as const, value } })),
);
const otherItem = fc.oneof(
  item,
  fc.constant({}),
  account.map((number) => ({ command: { case: "freezeAccount" as const, value: { account: number } } })),
  fc.array(item, { maxLength: 2 }).map((items) => ({ command: { case: "group" as const, value: { items } } })),
);
const asOf = mostly(
  fc.constant<{ case: "position"; value: bigint } | { case: undefined }>({ case: undefined }),
  fc.constantFrom(0n, 1n, 2n ** 53n).map((value) => ({ case: "position" as const, value })),
);
const column = mostly(
  fc.array(fc.bigInt(0n, 2n ** 64n - 1n), { minLength: 1, maxLength: 3 }),
  fc.constantFrom<bigint[]>([], new Array<bigint>(10_000).fill(1n), new Array<bigint>(10_001).fill(1n)),
);
const movements = fc.record({
  currencyCode,
  debitAccounts: column,
  creditAccounts: column,
  amountsMinor: column,
  baseRequestId: mostly(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.uint8Array({ maxLength: 18 })),
  requestIdsHigh: column,
  requestIdsLow: column,
});

const bytes = (length: number) =>
  mostly(fc.constantFrom(new Uint8Array(length), new Uint8Array(0)), fc.constant(new Uint8Array(length + 1)));
const words = (bytesMax: number) =>
  mostly(
    fc.constantFrom("", "branch 2", "http://127.0.0.1:50051", "ä".repeat(bytesMax / 3)),
    fc.constantFrom(
      "x".repeat(bytesMax),
      "x".repeat(bytesMax + 1),
      "€".repeat(bytesMax / 2),
      "😀".repeat(bytesMax / 4),
    ),
  );
const report = fc.record({
  copyId: mostly(fc.constant(new Uint8Array(16)), fc.constantFrom(new Uint8Array(0), new Uint8Array(17))),
  branches: mostly(
    fc.constantFrom<number[]>([], [1], [3, 4]),
    fc.constantFrom(new Array<number>(1_000).fill(2), new Array<number>(1_001).fill(2)),
  ),
  digest: bytes(16),
  epochId: bytes(16),
  upstream: words(256),
  sequence: fc.constant(7n),
});
const probe = fc.record({
  bankId: bytes(16),
  members: mostly(
    fc.array(report, { maxLength: 2 }),
    report.map((one) => new Array(1_001).fill(one)),
  ),
});
const follow = fc.record({
  bankId: bytes(16),
  chainHash: bytes(32),
  epochId: bytes(16),
  acceptedLoss: bytes(16),
  copyId: bytes(16),
  follower: words(128),
});

/** Fields that the validator finds something in. */
function found(type: DescMessage, message: Message): readonly string[] {
  const result = validator.validate(type, message);
  return result.kind === "invalid" ? result.violations.map(({ message: said }) => said) : [];
}

const CASES: readonly (readonly [string, fc.Arbitrary<Message>, DescMessage, number])[] = [
  ["deposits", cash.map((init) => create(DepositRequestSchema, init)), DepositRequestSchema, 0.3],
  ["withdrawals", cash.map((init) => create(WithdrawRequestSchema, init)), WithdrawRequestSchema, 0.3],
  ["transfers", transfer.map((init) => create(TransferRequestSchema, init)), TransferRequestSchema, 0.3],
  [
    "balances",
    fc.record({ account, asOf }).map((init) => create(GetBalanceRequestSchema, init)),
    GetBalanceRequestSchema,
    0.3,
  ],
  [
    "accounts",
    account.map((number) => create(GetAccountRequestSchema, { account: number })),
    GetAccountRequestSchema,
    0.3,
  ],
  [
    "batches",
    fc.array(item, { maxLength: 2 }).map((items) => create(ExecuteBatchRequestSchema, { items })),
    ExecuteBatchRequestSchema,
    0.1,
  ],
  [
    "movements",
    movements.map((init) => create(ExecuteMovementsRequestSchema, init)),
    ExecuteMovementsRequestSchema,
    0.2,
  ],
  ["probes", probe.map((init) => create(ProbeRequestSchema, init)), ProbeRequestSchema, 0.2],
  ["followers", follow.map((init) => create(FollowRequestSchema, init)), FollowRequestSchema, 0.2],
];

describe.each(CASES)("of %s", (_, messages, type, share) => {
  it("are plain only those that the validator finds nothing in, and many are", () => {
    let plain = 0;
    const runs = 150;
    fc.assert(
      fc.property(messages, (message) => {
        const isFine = isPlain(type, message);
        if (isFine) plain++;
        if (isFine) expect(found(type, message)).toEqual([]);
        const told = found(type, message);
        // Where a list is too long, nothing else is looked for.
        const counted = tooMany(type, message).map(({ description }) => description);
        expect(told).toEqual(expect.arrayContaining(counted));
        const said = rules.violations(type, message).map(({ description }) => description);
        expect(said).toEqual(counted.length > 0 ? counted : told);
      }),
      { numRuns: runs },
    );
    expect(plain).toBeGreaterThan(share * runs);
  });
});

describe("a batch with other commands", () => {
  it("is held against the rules as the validator does it", () => {
    fc.assert(
      fc.property(fc.array(otherItem, { maxLength: 3 }), (items) => {
        const message = create(ExecuteBatchRequestSchema, { items });
        const said = found(ExecuteBatchRequestSchema, message);
        const told = rules.violations(ExecuteBatchRequestSchema, message).map(({ description }) => description);
        // The validator says nothing about the items of groups.
        const groups = message.items.flatMap(({ command }) => (command.case === "group" ? command.value.items : []));
        if (said.length > 0) expect(told).toEqual(said);
        else expect(told).toEqual(groups.flatMap((each) => found(BatchItemSchema, each)));
      }),
    );
  });
});

describe("columns that the codec of movements has read", () => {
  it("keep their rules, or break them, as those that protobuf-es has read", () => {
    fc.assert(
      fc.property(movements, (init) => {
        const type = ExecuteMovementsRequestSchema;
        const message = create(type, init);
        const read = decodeMovements(encodeMovements(message)) as typeof message;
        expect(rules.violations(type, read)).toEqual(rules.violations(type, message));
      }),
      { numRuns: 50 },
    );
  });
});

import {
  AccountSchema,
  type AccountState,
  AccountStateChangeSchema,
  type AccountType,
  HoldSchema,
  type HoldState,
  MoneySchema,
  ReadInfoSchema,
  type TransactionKind,
  TransactionSchema,
} from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  accountOf,
  accountStateChangeOf,
  branchOf,
  captureOf,
  holdOf,
  interestOf,
  moneyOf,
  readInfoOf,
  safeNumber,
  transactionOf,
} from "./index.ts";

const money = create(MoneySchema, { currencyCode: "USD", amountMinor: 5n });

describe("a reply of a bank of another version", () => {
  it.each([
    ["no account", () => accountOf(undefined), "it left out the account"],
    [
      "an account of an unknown type",
      () => accountOf(create(AccountSchema, { type: Number(9) as AccountType })),
      "account type 9",
    ],
    [
      "an account of an unknown state",
      () => accountStateChangeOf(create(AccountStateChangeSchema, { state: Number(9) as AccountState })),
      "account state 9",
    ],
    [
      "an account without a balance",
      () => accountOf(create(AccountSchema, { type: 1, state: 1 })),
      "it left out an amount",
    ],
    [
      "an account that does not say what is held",
      () => accountOf(create(AccountSchema, { type: 1, state: 1, posted: money, available: money, floor: money })),
      "it left out an amount",
    ],
    ["no hold", () => holdOf(undefined), "it left out the hold"],
    [
      "a hold of an unknown state",
      () =>
        holdOf(create(HoldSchema, { amount: money, captured: money, remaining: money, state: Number(9) as HoldState })),
      "hold state 9",
    ],
    ["no capture", () => captureOf(undefined), "it left out the capture"],
    ["no interest", () => interestOf(undefined), "it left out the interest"],
    ["no transaction", () => transactionOf(undefined), "it left out the transaction"],
    [
      "an unknown movement",
      () => transactionOf(create(TransactionSchema, { kind: Number(9) as TransactionKind })),
      "transaction kind 9",
    ],
    ["no branch", () => branchOf(undefined), "it left out the branch"],
    ["no amount", () => moneyOf(undefined), "it left out an amount"],
    ["no position", () => readInfoOf(undefined), "it left out the state it was read from"],
    ["a position beyond 2^53", () => safeNumber(2n ** 53n), "it says the impossible number 9007199254740992"],
  ])("with %s is refused", (_, translate, message) => {
    expect(translate).toThrow(message);
  });
});

describe("staleness", () => {
  it("is unknown where a branch cannot know it", () => {
    const unknown = {
      position: 4,
      timeMs: undefined,
      stalenessMs: undefined,
      connected: false,
      epoch: 0,
      session: undefined,
    };
    expect(readInfoOf(create(ReadInfoSchema, { position: 4n }))).toEqual(unknown);
    expect(readInfoOf(create(ReadInfoSchema, { stalenessMs: 7n })).stalenessMs).toBe(7);
  });
});

describe("the time of a state", () => {
  it("is that which the reply tells, to the millisecond, and undefined where it tells none", () => {
    const time = { seconds: 1_767_603_600n, nanos: 123_000_000 };
    expect(readInfoOf(create(ReadInfoSchema, { position: 4n, time })).timeMs).toBe(1_767_603_600_123);
    expect(readInfoOf(create(ReadInfoSchema, { position: 4n })).timeMs).toBeUndefined();
  });
});

import { describe, expect, it } from "vitest";
import { AccountType } from "../account.ts";
import { InvariantError } from "../assert.ts";
import { BranchState } from "../branch.ts";
import type { AccountIndex, CurrencyIndex } from "../identifiers.ts";
import { AMOUNT_MAX, BALANCE_MIN } from "../limits.ts";
import type { AccountOpenedRecord, LedgerRecord, MovementRecord } from "../record.ts";
import { RecordKind } from "../record.ts";
import { apply, beginBatch, totals } from "./apply.ts";
import { mark, rollback } from "./apply-all.ts";
import {
  branch,
  deposit,
  epochBegun,
  execute,
  newLedger,
  open,
  requestId,
  smallLedger,
  stateRoot,
  transfer,
  withdraw,
} from "./ledger.test-util.ts";
import { checkSums, observe } from "./observe.test-util.ts";

const acted = { principal: "dev", branch: 0 } as const;
const request = { id: requestId(1), hashLow: 1, hashHigh: 2 };

function movement(debit: number, credit: number, amount: bigint): MovementRecord {
  return {
    ...acted,
    kind: RecordKind.TRANSFER,
    request: { id: requestId(99), hashLow: 0, hashHigh: 0 },
    debit: debit as AccountIndex,
    credit: credit as AccountIndex,
    amount,
  };
}

function opened(change: Partial<AccountOpenedRecord>): AccountOpenedRecord {
  return {
    ...acted,
    kind: RecordKind.ACCOUNT_OPENED,
    request: undefined,
    account: 4 as AccountIndex,
    type: AccountType.SAVINGS,
    number: 4,
    name: "",
    currency: 0 as CurrencyIndex,
    homeBranch: 0,
    owner: "",
    displayName: "",
    floor: 0n,
    ...change,
  };
}

const cash = { type: AccountType.CASH, number: 0, name: "cash/1/USD", homeBranch: 1, floor: BALANCE_MIN };

function currency(index: number, code: string): LedgerRecord {
  const kind = RecordKind.CURRENCY_DEFINED;
  return { ...acted, kind, request: undefined, currency: index as CurrencyIndex, code, decimals: 2 };
}

function registered(number: number): LedgerRecord {
  return { ...acted, kind: RecordKind.BRANCH_REGISTERED, request: undefined, number, name: "", address: "" };
}

const rejection = { reason: "ACCOUNT_NOT_FOUND", metadata: { account: "9" } } as const;

describe("apply refuses what no ledger decided, and changes nothing then", () => {
  it.each<[string, LedgerRecord, string]>([
    ["a balance below its floor", movement(0, 2, 101n), "no balance falls below its floor"],
    ["a balance below the floor of an empty account", movement(2, 0, 1n), "no balance falls below its floor"],
    ["two currencies", movement(0, 3, 1n), "a movement has one currency"],
    ["a movement of nothing", movement(0, 2, 0n), "a movement has a positive amount"],
    ["a movement backwards", movement(0, 2, -1n), "a movement has a positive amount"],
    ["an amount beyond 64 bits", movement(1, 2, AMOUNT_MAX + 1n), "a movement has a positive amount"],
    ["a movement to where it came from", movement(0, 0, 1n), "a movement has two known accounts"],
    ["an unknown debit account", movement(4, 0, 1n), "a movement has two known accounts"],
    ["an unknown credit account", movement(0, 4, 1n), "a movement has two known accounts"],
    ["a balance above 64 bits", movement(1, 0, AMOUNT_MAX - 99n), "balances stay within 64 bits"],
    ["a request that was answered", { ...movement(0, 2, 1n), request }, "a request is answered once"],
    [
      "a rejection of a request that was answered",
      { ...acted, kind: RecordKind.REJECTED, request, rejection },
      "a request is answered once",
    ],
    [
      "a rejection of nothing",
      { ...acted, kind: RecordKind.REJECTED, request: undefined, rejection },
      "rejections and groups answer a request",
    ],
    ["a gap between accounts", opened({ account: 5 as AccountIndex }), "opened in the order of their index"],
    ["an account that is there", opened({ account: 3 as AccountIndex }), "opened in the order of their index"],
    ["a gap between account numbers", opened({ number: 5 }), "account numbers follow each other"],
    ["an account number that is taken", opened({ number: 3 }), "account numbers follow each other"],
    ["a customer without a number", opened({ number: 0 }), "account numbers follow each other"],
    ["a customer with a name", opened({ name: "x" }), "account numbers follow each other"],
    ["an account in an unknown currency", opened({ currency: 2 as CurrencyIndex }), "has a known currency"],
    ["an account that opens below its floor", opened({ floor: 1n }), "opens with zero, at or above its floor"],
    ["an account at an impossible branch", opened({ homeBranch: 65_536 }), "branch has a number in range"],
    ["a cash account with a number", opened({ ...cash, number: 4 }), "has a name and no number"],
    ["a cash account without a name", opened({ ...cash, name: "" }), "has a name and no number"],
    ["a name that is taken", opened({ ...cash, name: "cash/0/USD" }), "internal account's name is new"],
    [
      "a second cash account",
      opened({ ...cash, homeBranch: 0, name: "till" }),
      "one account of each type and currency",
    ],
    ["a gap between currencies", currency(3, "JPY"), "defined in the order of their index"],
    ["a currency that is defined", currency(2, "EUR"), "a currency is defined once"],
    ["an epoch that is over", epochBegun(1, 9), "epochs have ascending numbers"],
    ["an epoch before the first", epochBegun(0, 9), "epochs have ascending numbers"],
    ["a root behind the newest", stateRoot(5), "roots have ascending positions"],
    ["a root of the future", stateRoot(12), "a root is of the past"],
    ["the head office as a branch", registered(0), "a branch has a number in range"],
    ["a branch beyond the last", registered(65_536), "a branch has a number in range"],
    ["a kind from a later version", { ...movement(0, 2, 1n), kind: 22 } as unknown as LedgerRecord, "format level"],
  ])("%s", (_, record, problem) => {
    const ledger = smallLedger();
    const before = observe(ledger);
    expect(ledger.position).toBe(9);
    expect(() => apply(ledger, record)).toThrow(InvariantError);
    expect(() => apply(ledger, record)).toThrow(problem);
    expect(observe(ledger)).toEqual(before);
    checkSums(ledger);
    // And the batch that it was in can still be taken back.
    const start = mark(ledger);
    const records = execute(ledger, branch(7), { id: requestId(5) });
    expect(() => apply(ledger, record)).toThrow(InvariantError);
    rollback(ledger, start, records);
    expect(observe(ledger)).toEqual(before);
  });

  it("a time before the last one, or one that is none", () => {
    const ledger = smallLedger();
    beginBatch(ledger, 1000);
    for (const timeMs of [999, 1000.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, -1])
      expect(() => beginBatch(ledger, timeMs)).toThrow(InvariantError);
    expect(ledger.timeMs).toBe(1000);
    beginBatch(ledger, 1001);
    expect(ledger.timeMs).toBe(1001);
  });

  it("but takes the extremes that are allowed", () => {
    const ledger = smallLedger();
    for (const record of [
      { ...movement(1, 2, AMOUNT_MAX - 100n), request: undefined },
      { ...movement(0, 2, 100n), request: undefined },
      { ...movement(2, 0, AMOUNT_MAX), request: undefined },
      opened({}),
      opened({ ...cash, account: 5 as AccountIndex }),
      opened({ ...cash, account: 6 as AccountIndex, homeBranch: 65_535, name: "cash/65535/USD" }),
      currency(2, "JPY"),
      registered(65_535),
      epochBegun(7),
    ])
      apply(ledger, record);
    expect(() => apply(ledger, stateRoot(ledger.position + 1))).toThrow("a root is of the past");
    apply(ledger, stateRoot(ledger.position));
    checkSums(ledger);
  });
});

describe("apply", () => {
  it("counts positions and an account's changes one by one", () => {
    const ledger = smallLedger();
    const versions = () => Array.from({ length: 4 }, (_, i) => ledger.viewAccount(i as AccountIndex).version);
    expect([ledger.position, ...versions()]).toEqual([9, 2, 2, 1, 1]);
    execute(ledger, transfer("1", "2", 30n));
    expect([ledger.position, ...versions()]).toEqual([10, 3, 2, 2, 1]);
    execute(ledger, withdraw("2", 31n));
    expect([ledger.position, ...versions()]).toEqual([11, 3, 2, 2, 1]);
  });

  it("remembers when and where an account was opened", () => {
    const ledger = newLedger();
    beginBatch(ledger, 5000);
    execute(ledger, branch(3));
    execute(ledger, open("USD"), { branch: 3 });
    expect(ledger.viewAccount(0 as AccountIndex)).toEqual({
      index: 0,
      number: 1,
      reference: "1",
      type: AccountType.SAVINGS,
      owner: "Ada",
      displayName: "",
      currency: "USD",
      currencyIndex: 0,
      decimals: 2,
      homeBranch: 3,
      posted: 0n,
      held: 0n,
      floor: 0n,
      ceiling: undefined,
      alias: "",
      metadata: {},
      state: 1,
      version: 1,
      openedPosition: 3,
      openedTimeMs: 5000,
    });
  });

  // The journal says how many decimals a currency has: a later table changes nothing about old amounts.
  it("takes the decimals of a currency from its record", () => {
    const ledger = newLedger();
    apply(ledger, { ...currency(0, "USD"), decimals: 4 } as LedgerRecord);
    execute(ledger, open("USD"));
    expect(ledger.viewAccount(0 as AccountIndex).decimals).toBe(4);
  });

  it("remembers each request under its principal, with its hash and position", () => {
    const ledger = smallLedger();
    execute(ledger, deposit("1", 1n), { id: requestId(1), principal: "ada" });
    const entry = ledger.findRequest("ada", requestId(1));
    expect(ledger.requests.positionOf(entry)).toBe(10);
    expect(ledger.findRequest("dev", requestId(1))).toBe(0);
    expect(ledger.requests.positionOf(0)).toBe(3);
    expect(ledger.findRequest("bob", requestId(1))).toBe(-1);
    expect(ledger.findRequest("ada", requestId(2))).toBe(-1);
    expect(ledger.principals).toEqual(["dev", "ada"]);
  });

  it("keeps the epochs in order, each with the position of its record", () => {
    const ledger = newLedger();
    expect(ledger.currentEpoch()).toBeUndefined();
    apply(ledger, epochBegun(1));
    execute(ledger, open("USD"));
    apply(ledger, epochBegun(4));
    expect(
      ledger.epochs.map(({ number, firstPosition, lossAccepted }) => [number, firstPosition, lossAccepted]),
    ).toEqual([
      [1, 1, false],
      [4, 4, true],
    ]);
    expect(ledger.currentEpoch()?.number).toBe(4);
    expect(ledger.currentEpoch()?.id).toEqual(new Uint8Array(16).fill(4));
  });

  it("lets a branch change its name and address", () => {
    const ledger = newLedger();
    execute(ledger, branch(2));
    execute(ledger, branch(1));
    execute(ledger, { kind: "registerBranch", branch: 2, name: "South", address: "http://127.0.0.1:1" });
    expect(ledger.branchNumbers()).toEqual([1, 2]);
    expect(ledger.branches.get(2)).toEqual({
      name: "South",
      address: "http://127.0.0.1:1",
      state: BranchState.ACTIVE,
    });
    checkSums(ledger);
  });

  it("keeps the cash of every branch and currency apart, to the last branch", () => {
    const ledger = newLedger();
    const branches = [0, 1, 65_534, 65_535];
    for (const number of branches.slice(1)) execute(ledger, branch(number));
    const codes = ["USD", "EUR", "JPY"];
    for (const code of codes) execute(ledger, open(code));
    for (const number of branches)
      for (const [i, code] of codes.entries()) execute(ledger, deposit(String(i + 1), 1n, code), { branch: number });
    const found = branches.flatMap((number) =>
      codes.map((code) =>
        ledger.findInternalAccount(AccountType.CASH, number, ledger.currencyIndex(code) as CurrencyIndex),
      ),
    );
    const names = found.map((account) => ledger.referenceOf(account as AccountIndex));
    expect(names).toEqual(branches.flatMap((number) => codes.map((code) => `cash/${number}/${code}`)));
    expect(found.map((account) => ledger.accounts.posted[account as AccountIndex])).toEqual(found.map(() => -1n));
  });

  it("adds up to zero in every currency", () => {
    const ledger = smallLedger();
    execute(ledger, deposit("3", 77n, "EUR"));
    execute(ledger, withdraw("1", 3n));
    expect(totals(ledger)).toEqual(
      new Map([
        ["USD", 0n],
        ["EUR", 0n],
      ]),
    );
  });
});

describe("totals", () => {
  it("shows by how much a currency does not add up", () => {
    const ledger = smallLedger();
    ledger.post(3 as AccountIndex, 5n, 1);
    expect([...totals(ledger)]).toEqual([
      ["USD", 0n],
      ["EUR", 5n],
    ]);
  });
});

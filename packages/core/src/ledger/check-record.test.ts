import { beforeEach, describe, expect, it } from "vitest";
import { AccountState, AccountType } from "../account.ts";
import { InvariantError } from "../assert.ts";
import { BranchState } from "../branch.ts";
import type { AccountIndex, CurrencyIndex } from "../identifiers.ts";
import { AMOUNT_MAX, RATE_MAX } from "../limits.ts";
import type { RejectionReason } from "../reasons.ts";
import type { LedgerRecord } from "../record.ts";
import { FORMAT_LEVEL_MAX, RecordKind } from "../record.ts";
import { apply } from "./apply.ts";
import { branch, deposit, epochBegun, transfer } from "./ledger.test-util.ts";
import { World } from "./world.test-util.ts";

const acted = { principal: "dev", branch: 0, request: undefined } as const;
const usd = (minor: bigint) => ({ currency: "USD", minor });

let world: World;
/** Indexes: 0 is account 1 (10.00, ceiling 20.00), 1 is its cash, 2 is account 2 (frozen), 3 is account 3 (closed). */
const [PAYER, CASH, FROZEN, CLOSED] = [0, 1, 2, 3] as AccountIndex[] as [
  AccountIndex,
  AccountIndex,
  AccountIndex,
  AccountIndex,
];
let movement: number;
/** Of 3.00 on account 1, of which 1.00 was captured; ends at the world's time and 10 ms. */
let hold: number;
let ended: number;

beforeEach(() => {
  world = new World();
  world.account("USD", { ceiling: 2_000n, type: AccountType.SAVINGS });
  world.must(deposit("1", 1_000n));
  world.account("USD");
  world.account("USD");
  movement = world.must(transfer("1", "2", 1n));
  world.must({ kind: "freezeAccount", account: "2" });
  world.must({ kind: "closeAccount", account: "3" });
  const place = (minor: bigint, expiresMs: number) =>
    world.must({ kind: "placeHold", account: "1", amount: usd(minor), expiresMs });
  hold = place(300n, world.ledger.timeMs + 10);
  ended = place(100n, 0);
  world.must({ kind: "captureHold", hold, amount: usd(100n), to: "" });
  world.must({ kind: "releaseHold", hold: ended });
  // Branch 2 counts, branch 3 is retired.
  for (const number of [1, 2, 3]) world.must(branch(number));
  world.must({ kind: "setBranchState", target: 3, state: BranchState.RETIRED });
  world.must({ kind: "setDurability", copies: 1, members: [{ branch: 2, copyId: new Uint8Array(16).fill(2) }] });
});

function opened(changes: object): LedgerRecord {
  const details = { homeBranch: 0, owner: "", displayName: "", floor: 0n, currency: 0 as CurrencyIndex };
  const account = world.ledger.accounts.count as AccountIndex;
  const plain = { account, type: AccountType.SAVINGS, number: 4, name: "", ...details };
  return { ...acted, kind: RecordKind.ACCOUNT_OPENED, ...plain, ...changes };
}

function updated(changes: object): LedgerRecord {
  const details = { displayName: "", metadata: {}, floor: 0n, ceiling: undefined };
  return { ...acted, kind: RecordKind.ACCOUNT_UPDATED, account: PAYER, ...details, ...changes };
}

function stateChanged(account: AccountIndex, state: AccountState): LedgerRecord {
  return { ...acted, kind: RecordKind.ACCOUNT_STATE_CHANGED, account, state };
}

function interest(changes: object): LedgerRecord {
  const paid = { rate: 1_000_000, balance: 899n, paidFrom: CASH, amount: 9n };
  return { ...acted, kind: RecordKind.INTEREST_APPLIED, account: PAYER, ...paid, ...changes };
}

function placed(changes: object): LedgerRecord {
  const details = { account: PAYER, held: 1n, captured: 0n, expiresMs: 0 };
  return { ...acted, kind: RecordKind.HOLD_PLACED, ...details, ...changes };
}

function changed(kind: "CAPTURED" | "RELEASED" | "EXTENDED", changes: object): LedgerRecord {
  const state = { hold, account: PAYER, held: 300n, captured: 100n, expiresMs: world.ledger.timeMs + 10 };
  return { ...acted, kind: RecordKind[`HOLD_${kind}`], ...state, ...changes } as LedgerRecord;
}

function captured(changes: object): LedgerRecord {
  return changed("CAPTURED", { credit: CASH, amount: 1n, captured: 101n, ...changes });
}

function reversal(changes: object): LedgerRecord {
  const posting = { debit: PAYER, credit: CASH, amount: 1n };
  return { ...acted, kind: RecordKind.REVERSAL, original: movement, ...posting, ...changes };
}

function branchState(target: number, state: number): LedgerRecord {
  return { ...acted, kind: RecordKind.BRANCH_STATE_CHANGED, target, state: state as BranchState };
}

function durability(
  copies: number,
  branches: readonly number[] = [1, 2],
  copyId = (branch: number) => new Uint8Array(16).fill(branch),
): LedgerRecord {
  const members = branches.map((number) => ({ branch: number, copyId: copyId(number) }));
  return { ...acted, kind: RecordKind.DURABILITY_SET, copies, members };
}

const expired = (holds: number[]): LedgerRecord => ({ ...acted, kind: RecordKind.HOLDS_EXPIRED, holds });

describe("apply refuses, with nothing changed,", () => {
  const cases: Record<string, [() => LedgerRecord, string]> = {
    "a level below": [() => ({ ...acted, kind: RecordKind.FORMAT_LEVEL_RAISED, level: 2 }), "level is raised"],
    "a level that nobody knows": [
      () => ({ ...acted, kind: RecordKind.FORMAT_LEVEL_RAISED, level: FORMAT_LEVEL_MAX + 1 }),
      `format level ${FORMAT_LEVEL_MAX + 1} is unknown: use a newer program`,
    ],
    "a kind that nobody knows": [() => ({ ...acted, kind: 24 }) as unknown as LedgerRecord, "known kind"],
    "a state of nobody's branch": [() => branchState(9, 2), "a known branch comes to a known state"],
    "a state of the head office": [() => branchState(0, 2), "a known branch comes to a known state"],
    "a state of branches that nobody knows": [() => branchState(1, 4), "a known branch comes to a known state"],
    "a state of a branch that it has": [() => branchState(1, 1), "a branch changes until it is retired"],
    "a retired branch brought back": [() => branchState(3, 1), "a branch changes until it is retired"],
    "a branch retired that counts": [() => branchState(2, 3), "a branch that counts is not retired"],
    "a retired branch registered": [
      () => ({ ...acted, kind: RecordKind.BRANCH_REGISTERED, number: 3, name: "", address: "" }),
      "a retired branch stays as it is",
    ],
    "more copies than there are": [() => durability(3), "some of the copies that count are enough"],
    "no copies of some": [() => durability(0), "some of the copies that count are enough"],
    "half a copy": [() => durability(1.5), "some of the copies that count are enough"],
    "copies of none": [() => durability(1, []), "some of the copies that count are enough"],
    "copies out of order": [() => durability(1, [2, 1]), "are known, and ascend"],
    "a branch that counts twice": [() => durability(1, [1, 1]), "are known, and ascend"],
    "a copy at the head office": [() => durability(1, [0]), "are known, and ascend"],
    "a copy of nobody's branch": [() => durability(1, [9]), "are known, and ascend"],
    "a copy of a retired branch": [() => durability(1, [3]), "a retired branch does not count"],
    "a copy without an id": [() => durability(1, [1], () => new Uint8Array(15)), "a copy id has 16 bytes"],
    "a copy that counts twice": [() => durability(2, [1, 2], () => new Uint8Array(16)), "a copy counts once"],
    "too many copies": [
      () =>
        durability(
          1,
          Array.from({ length: 17 }, (_, i) => i + 1),
        ),
      "a bounded number of copies counts",
    ],
    "a promotion of half a copy": [
      () => ({ ...epochBegun(9), promotedFrom: new Uint8Array(8) }),
      "a copy id has 16 bytes",
    ],
    "money to a frozen account": [
      () => ({ ...acted, kind: RecordKind.TRANSFER, debit: PAYER, credit: FROZEN, amount: 1n }),
      "only between open accounts",
    ],
    "money from a closed account": [
      () => ({ ...acted, kind: RecordKind.TRANSFER, debit: CLOSED, credit: PAYER, amount: 1n }),
      "only between open accounts",
    ],
    "money that is held": [
      () => ({ ...acted, kind: RecordKind.WITHDRAWAL, debit: PAYER, credit: CASH, amount: 700n }),
      "below its floor",
    ],
    "money above a ceiling": [
      () => ({ ...acted, kind: RecordKind.DEPOSIT, debit: CASH, credit: PAYER, amount: 1_102n }),
      "above its ceiling",
    ],
    "an alias that is another's number": [() => opened({ alias: "1", number: 1 }), "an alias is new"],
    "an alias of digits beside another number": [() => opened({ alias: "77" }), "account numbers follow each other"],
    "an empty alias": [() => opened({ alias: "" }), "an alias is new"],
    "an opening above its ceiling": [() => opened({ ceiling: 0n }), "below its ceiling"],
    "a ceiling that says nothing": [() => opened({ ceiling: AMOUNT_MAX }), "below its ceiling"],
    "an internal account with an alias": [
      () => opened({ type: AccountType.FEES, number: 0, name: "fees/0/USD", alias: "fees" }),
      "neither alias nor ceiling",
    ],
    "a floor above the balance": [() => updated({ floor: 700n }), "a floor is not above the balance"],
    "a ceiling below the balance": [() => updated({ ceiling: 898n }), "a ceiling is not below the balance"],
    "an update of a closed account": [() => updated({ account: CLOSED }), "stays as it is"],
    "an update of the bank's cash": [() => updated({ account: CASH }), "a customer's account is known"],
    "an update of nobody": [() => updated({ account: 99 }), "a customer's account is known"],
    "the same state again": [() => stateChanged(FROZEN, AccountState.FROZEN), "from open to frozen and back"],
    "an open account opened": [() => stateChanged(PAYER, AccountState.OPEN), "from open to frozen and back"],
    "a frozen account closed": [() => stateChanged(FROZEN, AccountState.CLOSED), "from open to frozen and back"],
    "a closed account opened": [() => stateChanged(CLOSED, AccountState.OPEN), "from open to frozen and back"],
    "an account closed with money": [() => stateChanged(PAYER, AccountState.CLOSED), "closed at zero"],
    "the bank's cash frozen": [() => stateChanged(CASH, AccountState.FROZEN), "a customer's account is known"],
    "a reversal of the future": [() => reversal({ original: 9_999 }), "a reversal is of the past"],
    "interest above a whole": [() => interest({ rate: RATE_MAX + 1 }), "percentage from 0 to 100"],
    "interest on another balance": [() => interest({ balance: 900n }), "interest is on the balance"],
    "interest from nowhere": [() => interest({ paidFrom: undefined }), "paid from somewhere"],
    "interest of nothing": [() => interest({ amount: 0n }), "a positive amount"],
    "a hold on a frozen account": [() => placed({ account: FROZEN }), "placed on an open account"],
    "a hold on the bank's cash": [() => placed({ account: CASH }), "a customer's account is known"],
    "a hold of nothing": [() => placed({ held: 0n }), "all of a positive amount"],
    "a hold that was used before": [() => placed({ captured: 1n }), "all of a positive amount"],
    "a hold of the past": [() => placed({ expiresMs: world.ledger.timeMs }), "ends in the future"],
    "a hold beyond what is available": [() => placed({ held: 700n }), "never draws on the overdraft"],
    "a capture of a hold that ended": [
      () => captured({ hold: ended, held: 100n, captured: 1n, expiresMs: 0 }),
      "only an open hold",
    ],
    "a capture of no hold": [() => captured({ hold: movement }), "only an open hold"],
    "a capture beyond the hold": [
      () => captured({ amount: 201n, captured: 301n }),
      "no more is captured than was held",
    ],
    "a capture that is not counted": [() => captured({ captured: 100n }), "no more is captured than was held"],
    "a capture with another expiry": [() => captured({ expiresMs: 0 }), "does not change the expiry"],
    "a capture of another account": [() => captured({ account: FROZEN }), "keeps its account and amount"],
    "a capture of another amount": [() => captured({ held: 301n }), "keeps its account and amount"],
    "a release that captures": [() => changed("RELEASED", { captured: 101n }), "a release changes nothing else"],
    "a release that extends": [() => changed("RELEASED", { expiresMs: 0 }), "a release changes nothing else"],
    "an extension that captures": [
      () => changed("EXTENDED", { captured: 0n, expiresMs: world.ledger.timeMs + 11 }),
      "an extension captures nothing",
    ],
    "an extension to the same time": [() => changed("EXTENDED", {}), "to a later time"],
    "an expiry before its time": [() => expired([hold]), "when its time has come"],
    "an expiry of a hold that ended": [() => expired([ended]), "only an open hold expires"],
    "an expiry of nothing": [() => expired([]), "a bounded number of holds"],
    "a group of nothing": [
      () => ({ ...acted, request: requestOf(1), kind: RecordKind.GROUP_COMMITTED, records: 0 }),
      "a group has records before it",
    ],
    "a group that nobody asked for": [
      () => ({ ...acted, kind: RecordKind.GROUP_COMMITTED, records: 1 }),
      "rejections and groups answer a request",
    ],
  };
  it.each(Object.entries(cases))("%s", (_, [record, problem]) => {
    const { ledger } = world;
    const before = ledger.digestBytes();
    expect(() => apply(ledger, record())).toThrow(InvariantError);
    expect(() => apply(ledger, record())).toThrow(problem);
    expect(ledger.digestBytes()).toEqual(before);
  });

  it("a movement reversed twice", () => {
    world.must({ kind: "unfreezeAccount", account: "2" });
    world.must({ kind: "reverse", transaction: movement });
    expect(() => world.apply(reversal({}))).toThrow("a movement is reversed once");
  });

  it("holds that expire out of order", () => {
    const other = world.must({ kind: "placeHold", account: "1", amount: usd(1n), expiresMs: world.ledger.timeMs + 5 });
    world.ledger.timeMs += 10;
    expect(() => world.apply(expired([hold, other]))).toThrow("in the order of time");
    expect(() => world.apply(expired([other, other]))).toThrow("in the order of time");
    world.apply(expired([other, hold]));
    expect(world.ledger.openHoldsOf(PAYER)).toEqual([]);
  });
});

describe("at format level 1, apply refuses", () => {
  const records: Record<string, () => LedgerRecord> = {
    "an alias": () => opened({ alias: "ada" }),
    metadata: () => opened({ metadata: { k: "v" } }),
    "a ceiling": () => opened({ ceiling: 1n }),
    "an overdraft": () => opened({ floor: -1n }),
    "an account for fees": () => opened({ type: AccountType.FEES, number: 0, name: "fees/0/USD" }),
    "an update": () => updated({}),
    "a state": () => stateChanged(PAYER, AccountState.FROZEN),
    "a reversal": () => reversal({ original: 2 }),
    interest: () => interest({}),
    "a hold": () => placed({}),
    "a tick": () => ({ ...acted, kind: RecordKind.TIME_TICKED }),
    "a new rejection": () => ({
      ...acted,
      request: requestOf(1),
      kind: RecordKind.REJECTED,
      rejection: { reason: "TABLE_FULL", metadata: {} },
    }),
    "a rejected item": () => ({
      ...acted,
      request: requestOf(1),
      kind: RecordKind.REJECTED,
      rejection: { reason: "ACCOUNT_NOT_FOUND", metadata: { account: "9" }, item: 1 },
    }),
  };
  it.each(Object.entries(records))("%s", (_, record) => {
    world.ledger.formatLevel = 1;
    expect(() => apply(world.ledger, record())).toThrow("a format level that the journal has reached");
    world.ledger.formatLevel = 2;
    expect(problemOf(record())).not.toContain("format level");
  });
});

describe("at format level 2, apply refuses", () => {
  const rejected = (reason: RejectionReason): LedgerRecord => ({
    ...acted,
    request: requestOf(1),
    kind: RecordKind.REJECTED,
    rejection: { reason, metadata: {} },
  });
  const records: Record<string, () => LedgerRecord> = {
    "a state of a branch": () => branchState(1, 2),
    "copies that count": () => durability(1),
    "no copies that count": () => durability(0, []),
    "a promotion": () => ({ ...epochBegun(9), promotedFrom: new Uint8Array(16) }),
    "a retired branch": () => rejected("BRANCH_RETIRED"),
    "the head office": () => rejected("BRANCH_IS_HEAD_OFFICE"),
    "a state that it has": () => rejected("BRANCH_STATE_UNCHANGED"),
    "a branch that counts": () => rejected("BRANCH_COUNTED"),
  };
  it.each(Object.entries(records))("%s", (_, record) => {
    world.ledger.formatLevel = 2;
    expect(() => apply(world.ledger, record())).toThrow("a format level that the journal has reached");
    world.ledger.formatLevel = 3;
    expect(problemOf(record())).toBe("");
  });

  it("nothing that a ledger of that level can decide", () => {
    world.ledger.formatLevel = 2;
    expect(problemOf(rejected("REQUEST_CANCELLED"))).toBe("");
    expect(problemOf(epochBegun(9))).toBe("");
  });
});

/** Whether other levels take the record is not the question here; only that it is not the level that keeps it out. */
function problemOf(record: LedgerRecord): string {
  try {
    apply(world.ledger, record);
    return "";
  } catch (error) {
    return String(error);
  }
}

function requestOf(n: number) {
  return { id: new Uint8Array(16).fill(n) as never, hashLow: 0, hashHigh: 0 };
}

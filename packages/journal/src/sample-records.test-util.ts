import type {
  AccountIndex,
  AccountOpenedRecord,
  BranchRegisteredRecord,
  CurrencyDefinedRecord,
  CurrencyIndex,
  EpochBegunRecord,
  GroupCommittedRecord,
  LedgerRecord,
  MovementRecord,
  RejectedRecord,
  RequestKey,
  StateRootRecord,
} from "@bank/core";
import {
  AccountState,
  AccountType,
  AMOUNT_MAX,
  BALANCE_MIN,
  BranchState,
  RecordKind,
  requestIdFromBytes,
  SYSTEM_PRINCIPAL,
} from "@bank/core";
import type { BatchHeader } from "./frame.ts";

/** `length` bytes that count up from `first`. */
export function countingBytes(first: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => first + i);
}

export const EPOCH_ID = countingBytes(0xe0, 16);
export const BANK_ID = countingBytes(0xb0, 16);

export const HEADER: Omit<BatchHeader, "count"> = {
  epochId: EPOCH_ID,
  firstPosition: 1_001,
  timeMs: 1_790_000_000_123,
  digestAfter: countingBytes(0xd0, 16),
  committedPosition: 1_000,
};

export function requestKey(number: number): RequestKey {
  return { id: requestIdFromBytes(countingBytes(number, 16)), hashLow: 0x1234_5678 + number, hashHigh: -number - 1 };
}

const acted = { principal: "dev", branch: 3 };

export function transfer(request: RequestKey | undefined, changes: Partial<MovementRecord> = {}): MovementRecord {
  const movement = { debit: 7 as AccountIndex, credit: 4_294_967_295 as AccountIndex, amount: AMOUNT_MAX };
  return { ...acted, request, kind: RecordKind.TRANSFER, ...movement, ...changes };
}

export const epochBegun: EpochBegunRecord = {
  ...acted,
  kind: RecordKind.EPOCH_BEGUN,
  principal: SYSTEM_PRINCIPAL,
  branch: 0,
  request: undefined,
  number: 12,
  id: EPOCH_ID,
  bankId: BANK_ID,
  lossAccepted: true,
  promotedFrom: countingBytes(0xa0, 16),
};

const held = { account: 7 as AccountIndex, held: 9_530n, captured: 30n, expiresMs: 1_790_000_000_124 };

/** One record of every kind but a group's, each with all of its fields away from their defaults. */
export const SAMPLES = {
  deposit: { ...transfer(undefined), kind: RecordKind.DEPOSIT, amount: 1n } satisfies MovementRecord,
  withdrawal: { ...transfer(undefined), kind: RecordKind.WITHDRAWAL, amount: 0x0102_0304_0506_0708n },
  transfer: transfer(undefined),
  accountOpened: {
    ...acted,
    kind: RecordKind.ACCOUNT_OPENED,
    request: undefined,
    account: 70_000 as AccountIndex,
    type: AccountType.CHECKING,
    number: 9_007_199_254_740_991,
    name: "cash/3/EUR",
    currency: 2 as CurrencyIndex,
    homeBranch: 65_535,
    owner: "Žofie 🏦",
    displayName: "\uFEFFhousehold\0",
    floor: BALANCE_MIN,
    ceiling: AMOUNT_MAX - 1n,
    alias: "Sparstrumpf-№1",
    metadata: { branch: "3", "": "none", "\u{1f3e6}": "" },
  } satisfies AccountOpenedRecord,
  rejected: {
    ...acted,
    kind: RecordKind.REJECTED,
    request: undefined,
    rejection: {
      reason: "INSUFFICIENT_FUNDS",
      metadata: { account: "17", available: "0.00", currency: "EUR", requested: "" },
      item: 100,
    },
  } satisfies RejectedRecord,
  epochBegun,
  currencyDefined: {
    ...acted,
    kind: RecordKind.CURRENCY_DEFINED,
    request: undefined,
    currency: 5 as CurrencyIndex,
    code: "KWD",
    decimals: 3,
  } satisfies CurrencyDefinedRecord,
  branchRegistered: {
    ...acted,
    kind: RecordKind.BRANCH_REGISTERED,
    request: undefined,
    number: 65_535,
    name: "Überlingen",
    address: "http://127.0.0.1:50061",
  } satisfies BranchRegisteredRecord,
  stateRoot: {
    ...acted,
    kind: RecordKind.STATE_ROOT,
    request: undefined,
    position: 1_000,
    root: countingBytes(1, 32),
  } satisfies StateRootRecord,
  formatLevelRaised: { ...acted, kind: RecordKind.FORMAT_LEVEL_RAISED, request: undefined, level: 2 },
  accountUpdated: {
    ...acted,
    kind: RecordKind.ACCOUNT_UPDATED,
    request: undefined,
    account: 70_000 as AccountIndex,
    displayName: "été",
    floor: -1n,
    ceiling: 1n,
    metadata: { a: "", b: "\u{1f3e6}" },
  },
  accountStateChanged: {
    ...acted,
    kind: RecordKind.ACCOUNT_STATE_CHANGED,
    request: undefined,
    account: 4_294_967_295 as AccountIndex,
    state: AccountState.CLOSED,
  },
  reversal: {
    ...acted,
    kind: RecordKind.REVERSAL,
    request: undefined,
    original: 999,
    debit: 4_294_967_295 as AccountIndex,
    credit: 7 as AccountIndex,
    amount: AMOUNT_MAX,
  },
  interestApplied: {
    ...acted,
    kind: RecordKind.INTEREST_APPLIED,
    request: undefined,
    account: 7 as AccountIndex,
    rate: 100_000_000,
    balance: AMOUNT_MAX,
    // One more stands in the column, which has 32 bits.
    paidFrom: 4_294_967_294 as AccountIndex,
    amount: AMOUNT_MAX,
  },
  holdPlaced: { ...acted, kind: RecordKind.HOLD_PLACED, request: undefined, ...held, captured: 0n },
  holdCaptured: {
    ...acted,
    kind: RecordKind.HOLD_CAPTURED,
    request: undefined,
    hold: 998,
    ...held,
    captured: 9_530n,
    credit: 8 as AccountIndex,
    amount: 30n,
  },
  holdReleased: { ...acted, kind: RecordKind.HOLD_RELEASED, request: undefined, hold: 998, ...held },
  holdExtended: { ...acted, kind: RecordKind.HOLD_EXTENDED, request: undefined, hold: 998, ...held },
  holdsExpired: {
    ...acted,
    kind: RecordKind.HOLDS_EXPIRED,
    request: undefined,
    holds: [998, 127, 9_007_199_254_740_991],
  },
  branchStateChanged: {
    ...acted,
    kind: RecordKind.BRANCH_STATE_CHANGED,
    request: undefined,
    target: 65_535,
    state: BranchState.RETIRED,
  },
  durabilitySet: {
    ...acted,
    kind: RecordKind.DURABILITY_SET,
    request: undefined,
    copies: 1,
    members: [
      { branch: 7, copyId: countingBytes(0x10, 16) },
      { branch: 65_535, copyId: countingBytes(0, 16) },
    ],
  },
  timeTicked: { ...acted, kind: RecordKind.TIME_TICKED, request: undefined },
} as const satisfies Record<string, LedgerRecord>;

/** Commits the records before it as a group; alone it can stand in no batch. */
export function groupCommitted(records: number, request?: RequestKey): GroupCommittedRecord {
  return { ...acted, kind: RecordKind.GROUP_COMMITTED, request, records };
}

/** The same record, answering a request. */
export function answering(record: LedgerRecord, number: number): LedgerRecord {
  return { ...record, request: requestKey(number) };
}

/** Every kind, without a request and with one, under two actors. The epoch comes first, groups come last. */
export function everyKind(): LedgerRecord[] {
  const { epochBegun: epoch, ...others } = SAMPLES;
  const plain: LedgerRecord[] = Object.values(others);
  const asked = plain.map((record, i) => ({ ...answering(record, i), principal: "ops" }));
  return [epoch, ...plain, ...asked, ...group(3), ...group(1, requestKey(101))];
}

/** A group of that many records. */
export function group(records: number, request?: RequestKey): LedgerRecord[] {
  const items = [SAMPLES.currencyDefined, SAMPLES.transfer, SAMPLES.holdPlaced];
  return [...items.slice(-records), groupCommitted(records, request)];
}

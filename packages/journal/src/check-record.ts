import type { DurabilitySetRecord, LedgerRecord, RecordList } from "@bank/core";
import {
  AMOUNT_MAX,
  BALANCE_MIN,
  BRANCH_NUMBER_MAX,
  DURABILITY_MEMBERS_MAX,
  EXPIRIES_PER_RECORD_MAX,
  FORMAT_LEVEL_MAX,
  isAccountState,
  isBranchState,
  RATE_MAX,
  RecordKind,
  TIME_MS_MAX,
  toHex,
} from "@bank/core";
import { JournalFormatError } from "./errors.ts";
import type { HoldRecord } from "./record-kinds.ts";

/**
 * What a record shows by itself: checked before it is written and again when it is read, so that nothing is written that
 * no reader takes, and nothing is read that this program would not write. What hangs on the state is checked by `apply`;
 * so is all of a movement, for which that is enough.
 * Throws: `JournalFormatError`.
 */
export function checkRecord(record: LedgerRecord): void {
  switch (record.kind) {
    case RecordKind.ACCOUNT_OPENED:
      checkFloor(record.floor);
      checkCeiling(record.ceiling);
      need(record.alias !== "", "an alias is not empty");
      need(record.metadata === undefined || Object.keys(record.metadata).length > 0, "no metadata are left out");
      return;
    case RecordKind.REJECTED: {
      const { item } = record.rejection;
      need(item === undefined || (isUint32(item) && item >= 1), "the items of a group count from 1");
      return;
    }
    case RecordKind.EPOCH_BEGUN:
      need(record.promotedFrom === undefined || record.promotedFrom.length === 16, COPY_ID);
      return;
    case RecordKind.BRANCH_STATE_CHANGED:
      checkBranch(record.target);
      if (!isBranchState(record.state))
        throw new JournalFormatError(`branch state ${record.state} is unknown: use a newer program`);
      return;
    case RecordKind.DURABILITY_SET:
      checkDurability(record);
      return;
    case RecordKind.STATE_ROOT:
      need(record.root.length === 32, "a root has 32 bytes");
      return;
    case RecordKind.FORMAT_LEVEL_RAISED:
      checkLevel(record.level);
      return;
    case RecordKind.ACCOUNT_UPDATED:
      checkIndex(record.account);
      checkFloor(record.floor);
      checkCeiling(record.ceiling);
      return;
    case RecordKind.ACCOUNT_STATE_CHANGED:
      checkIndex(record.account);
      if (!isAccountState(record.state))
        throw new JournalFormatError(`account state ${record.state} is unknown: use a newer program`);
      return;
    case RecordKind.REVERSAL:
      checkPosition(record.original);
      checkIndex(record.debit);
      checkIndex(record.credit);
      checkAmount(record.amount);
      return;
    case RecordKind.INTEREST_APPLIED:
      checkIndex(record.account);
      need(isUint32(record.rate) && record.rate <= RATE_MAX, "a rate is from 0 to 100 %");
      need(record.balance >= 0n && record.balance <= AMOUNT_MAX, "interest is a percentage of a balance from 0 up");
      if (record.paidFrom === undefined) {
        need(record.amount === 0n, "interest is paid from an account");
      } else {
        // One more stands in the column.
        checkIndex(record.paidFrom + 1);
        checkAmount(record.amount);
      }
      return;
    case RecordKind.HOLD_PLACED:
    case RecordKind.HOLD_CAPTURED:
    case RecordKind.HOLD_RELEASED:
    case RecordKind.HOLD_EXTENDED:
      checkHold(record);
      return;
    case RecordKind.HOLDS_EXPIRED:
      need(
        record.holds.length >= 1 && record.holds.length <= EXPIRIES_PER_RECORD_MAX,
        `a record ends 1 to ${EXPIRIES_PER_RECORD_MAX} holds`,
      );
      record.holds.forEach(checkPosition);
      return;
    case RecordKind.GROUP_COMMITTED:
      need(isUint32(record.records) && record.records >= 1, "a group has records");
      return;
    default:
      return;
  }
}

/** A level that this program does not know may allow anything. */
export function checkLevel(level: number): void {
  need(Number.isInteger(level) && level >= 2, "a format level is raised to 2 at least");
  if (level > FORMAT_LEVEL_MAX) throw new JournalFormatError(`format level ${level} is unknown: use a newer program`);
}

/**
 * A group of so many records committed by the one at `at`: what belongs to it stands directly before it, in one batch, and
 * answers nobody by itself.
 */
export function checkGroup({ kinds, answers }: RecordList, at: number, count: number): void {
  need(count <= at, "the records of a group stand before it in its batch");
  for (let i = at - count; i < at; i++)
    need(
      answers[i] === 0 && GROUP_KINDS.has(kinds[i] as RecordKind),
      "a group is made of records that carry out its items",
    );
}

const GROUP_KINDS: ReadonlySet<RecordKind> = new Set([
  RecordKind.DEPOSIT,
  RecordKind.WITHDRAWAL,
  RecordKind.TRANSFER,
  RecordKind.ACCOUNT_OPENED,
  RecordKind.CURRENCY_DEFINED,
  RecordKind.ACCOUNT_UPDATED,
  RecordKind.ACCOUNT_STATE_CHANGED,
  RecordKind.REVERSAL,
  RecordKind.INTEREST_APPLIED,
  RecordKind.HOLD_PLACED,
  RecordKind.HOLD_CAPTURED,
  RecordKind.HOLD_RELEASED,
  RecordKind.HOLD_EXTENDED,
]);

const COPY_ID = "a copy id has 16 bytes";

/** Copies that count, in the one order that there is, each once. */
export function checkDurability({ copies, members }: Pick<DurabilitySetRecord, "copies" | "members">): void {
  need(members.length <= DURABILITY_MEMBERS_MAX, `at most ${DURABILITY_MEMBERS_MAX} copies count`);
  need(
    isUint32(copies) && copies <= members.length && copies >= Math.min(1, members.length),
    "from 1 to all of the copies that count are enough",
  );
  let last = 0;
  for (const { branch, copyId } of members) {
    checkBranch(branch);
    need(branch > last, "the branches that count ascend");
    need(copyId.length === 16, COPY_ID);
    last = branch;
  }
  need(new Set(members.map(({ copyId }) => toHex(copyId))).size === members.length, "a copy counts once");
}

function checkBranch(branch: number): void {
  need(isUint32(branch) && branch >= 1 && branch <= BRANCH_NUMBER_MAX, "a branch has a number in range");
}

function checkHold(record: HoldRecord): void {
  const { kind, account, held, captured, expiresMs } = record;
  checkIndex(account);
  checkAmount(held);
  need(captured >= 0n && captured <= held, "no more is captured than was held");
  need(isTime(expiresMs), "a hold ends in the years that there are, or never");
  if (kind === RecordKind.HOLD_PLACED) {
    need(captured === 0n, "nothing of a new hold is captured");
    return;
  }
  checkPosition(record.hold);
  if (kind === RecordKind.HOLD_CAPTURED) {
    checkIndex(record.credit);
    checkAmount(record.amount);
    need(record.amount <= captured, "what is captured counts as captured");
  } else {
    need(captured < held, "a hold of which all is captured has ended");
    need(kind === RecordKind.HOLD_RELEASED || expiresMs > 0, "a hold that never ends is not extended");
  }
}

/** Unix milliseconds, 0 for never. */
export function isTime(ms: number): boolean {
  return Number.isInteger(ms) && ms >= 0 && ms <= TIME_MS_MAX;
}

function checkFloor(floor: bigint): void {
  need(floor >= BALANCE_MIN && floor <= AMOUNT_MAX, "a floor has 64 bits");
}

function checkCeiling(ceiling: bigint | undefined): void {
  need(ceiling === undefined || (ceiling >= 1n && ceiling <= AMOUNT_MAX), "a ceiling is at least 1 and has 64 bits");
}

function checkAmount(amount: bigint): void {
  need(amount >= 1n && amount <= AMOUNT_MAX, "an amount is at least 1 and has 64 bits");
}

function checkIndex(index: number): void {
  need(isUint32(index), "the index of an account has 32 bits");
}

function checkPosition(position: number): void {
  need(Number.isSafeInteger(position) && position >= 1, "positions begin at 1");
}

function isUint32(value: number): boolean {
  return value >>> 0 === value;
}

function need(condition: boolean, message: string): void {
  if (!condition) throw new JournalFormatError(message);
}

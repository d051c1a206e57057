import { AccountState, AccountType, isCustomerType } from "../account.ts";
import { assert } from "../assert.ts";
import { BranchState, isBranchState } from "../branch.ts";
import { HoldState, type HoldView } from "../hold.ts";
import { type AccountIndex, type Position, toHex } from "../identifiers.ts";
import { AMOUNT_MAX, BRANCH_NUMBER_MAX, DURABILITY_MEMBERS_MAX, EXPIRIES_PER_RECORD_MAX, RATE_MAX } from "../limits.ts";
import { fitsBalance } from "../money.ts";
import { REJECTIONS } from "../reasons.ts";
import type {
  AccountOpenedRecord,
  AccountUpdatedRecord,
  BranchStateChangedRecord,
  DurabilitySetRecord,
  HoldCapturedRecord,
  HoldExtendedRecord,
  HoldPlacedRecord,
  HoldReleasedRecord,
  HoldsExpiredRecord,
  InterestAppliedRecord,
  LedgerRecord,
  MovementRecord,
  Posting,
  ReversalRecord,
} from "../record.ts";
import { FORMAT_LEVEL_MAX, RecordKind } from "../record.ts";
import type { Ledger } from "./ledger.ts";

/*
 * What no ledger could have decided is refused before anything is changed: by `InvariantError`. None of this is a
 * business rule; it only keeps the state from contradicting itself.
 */

/** Money is moved between two accounts that may both change. */
export function checkPosting(ledger: Ledger, { debit, credit, amount }: Posting, freed = 0n): void {
  const { accounts } = ledger;
  assert(debit < accounts.count && credit < accounts.count && debit !== credit, "a movement has two known accounts");
  assert(accounts.currencies[debit] === accounts.currencies[credit], "a movement has one currency");
  assert(amount > 0n && amount <= AMOUNT_MAX, "a movement has a positive amount");
  assert(
    accounts.states[debit] === AccountState.OPEN && accounts.states[credit] === AccountState.OPEN,
    "money moves only between open accounts",
  );
  const debitAfter = (accounts.posted[debit] as bigint) - amount;
  const creditAfter = (accounts.posted[credit] as bigint) + amount;
  const heldAfter = (accounts.held[debit] as bigint) - freed;
  assert(debitAfter - heldAfter >= (accounts.floors[debit] as bigint), "no balance falls below its floor");
  assert(fitsBalance(debitAfter) && fitsBalance(creditAfter), "balances stay within 64 bits");
  assert(creditAfter <= (accounts.ceilings[credit] as bigint), "no balance rises above its ceiling");
}

export function checkRequest(ledger: Ledger, record: LedgerRecord): void {
  if (record.request === undefined)
    assert(
      record.kind !== RecordKind.REJECTED && record.kind !== RecordKind.GROUP_COMMITTED,
      "rejections and groups answer a request",
    );
  else assert(ledger.findRequest(record.principal, record.request.id) === -1, "a request is answered once");
}

export type OtherRecord = Exclude<LedgerRecord, MovementRecord>;

export function checkRecord(ledger: Ledger, record: OtherRecord): void {
  assert(levelOf(record) <= ledger.formatLevel, "a record is of a format level that the journal has reached");
  switch (record.kind) {
    case RecordKind.ACCOUNT_OPENED:
      checkAccountOpened(ledger, record);
      return;
    case RecordKind.EPOCH_BEGUN:
      assert(record.number > (ledger.currentEpoch()?.number ?? 0), "epochs have ascending numbers");
      assert(record.promotedFrom === undefined || record.promotedFrom.length === 16, "a copy id has 16 bytes");
      return;
    case RecordKind.CURRENCY_DEFINED:
      assert(record.currency === ledger.currencies.length, "currencies are defined in the order of their index");
      assert(ledger.currencyIndex(record.code) === undefined, "a currency is defined once");
      return;
    case RecordKind.STATE_ROOT:
      assert(record.position > (ledger.root?.position ?? 0), "roots have ascending positions");
      assert(record.position <= ledger.position, "a root is of the past");
      return;
    case RecordKind.BRANCH_REGISTERED:
      assert(record.number >= 1 && record.number <= BRANCH_NUMBER_MAX, "a branch has a number in range");
      assert(!ledger.isRetired(record.number), "a retired branch stays as it is");
      return;
    case RecordKind.BRANCH_STATE_CHANGED:
      checkBranchState(ledger, record);
      return;
    case RecordKind.DURABILITY_SET:
      checkDurability(ledger, record);
      return;
    case RecordKind.FORMAT_LEVEL_RAISED:
      assert(record.level > ledger.formatLevel, "a format level is raised");
      assert(record.level <= FORMAT_LEVEL_MAX, `format level ${record.level} is unknown: use a newer program`);
      return;
    case RecordKind.ACCOUNT_UPDATED:
      checkAccountUpdated(ledger, record);
      return;
    case RecordKind.ACCOUNT_STATE_CHANGED:
      checkStateChange(ledger, record.account, record.state);
      return;
    case RecordKind.REVERSAL:
      checkReversal(ledger, record);
      return;
    case RecordKind.INTEREST_APPLIED:
      checkInterest(ledger, record);
      return;
    case RecordKind.HOLD_PLACED:
      checkHoldPlaced(ledger, record);
      return;
    case RecordKind.HOLD_CAPTURED:
      checkHoldCaptured(ledger, record);
      return;
    case RecordKind.HOLD_RELEASED: {
      const hold = openHold(ledger, record);
      assert(
        record.captured === hold.captured && record.expiresMs === hold.expiresMs,
        "a release changes nothing else",
      );
      return;
    }
    case RecordKind.HOLD_EXTENDED: {
      const hold = openHold(ledger, record);
      assert(record.captured === hold.captured, "an extension captures nothing");
      assert(hold.expiresMs !== 0 && record.expiresMs > hold.expiresMs, "an extension is to a later time");
      return;
    }
    case RecordKind.HOLDS_EXPIRED:
      checkHoldsExpired(ledger, record);
      return;
    case RecordKind.GROUP_COMMITTED:
      assert(record.records >= 1 && record.records <= ledger.position, "a group has records before it");
      return;
    case RecordKind.REJECTED:
    case RecordKind.TIME_TICKED:
      return;
    default:
      record satisfies never;
      assert(false, "a record is of a known kind");
  }
}

/** The level from which on a record may be written. */
function levelOf(record: OtherRecord): number {
  switch (record.kind) {
    case RecordKind.FORMAT_LEVEL_RAISED:
      return 1;
    case RecordKind.ACCOUNT_OPENED: {
      const { alias, metadata, ceiling, floor, type } = record;
      const isPlain = alias === undefined && metadata === undefined && ceiling === undefined;
      if (isCustomerType(type)) return isPlain && floor >= 0n ? 1 : 2;
      return isPlain && type === AccountType.CASH ? 1 : 2;
    }
    case RecordKind.REJECTED: {
      const { number } = REJECTIONS[record.rejection.reason];
      if (number > REJECTIONS.REQUEST_CANCELLED.number) return 3;
      return number <= REJECTIONS.ACCOUNT_LIMIT_EXCEEDED.number && record.rejection.item === undefined ? 1 : 2;
    }
    case RecordKind.EPOCH_BEGUN:
      return record.promotedFrom === undefined ? 1 : 3;
    default:
      if (record.kind <= RecordKind.STATE_ROOT) return 1;
      return record.kind <= RecordKind.TIME_TICKED ? 2 : 3;
  }
}

function checkAccountOpened(ledger: Ledger, record: AccountOpenedRecord): void {
  const { account, type, currency, number, name, homeBranch, floor, alias, ceiling } = record;
  assert(account === ledger.accounts.count, "accounts are opened in the order of their index");
  assert(currency < ledger.currencies.length, "an account has a known currency");
  assert(homeBranch >= 0 && homeBranch <= BRANCH_NUMBER_MAX, "an account's branch has a number in range");
  assert(floor <= 0n, "an account opens with zero, at or above its floor");
  assert(
    ceiling === undefined || (ceiling > 0n && ceiling < AMOUNT_MAX),
    "an account opens with zero, below its ceiling",
  );
  if (isCustomerType(type)) {
    const expected = ledger.numberFor(alias ?? "");
    assert(number === expected && name === "", "customers' account numbers follow each other");
    if (alias !== undefined) assert(alias !== "" && ledger.findCustomerAccount(alias) === undefined, "an alias is new");
  } else {
    assert(number === 0 && name !== "", "an internal account has a name and no number");
    assert(ledger.accounts.findByName(name) === undefined, "an internal account's name is new");
    assert(alias === undefined && ceiling === undefined, "an internal account has neither alias nor ceiling");
    assert(
      ledger.findInternalAccount(type, homeBranch, currency) === undefined,
      "a branch has one account of each type and currency",
    );
  }
}

function checkBranchState(ledger: Ledger, { target, state }: BranchStateChangedRecord): void {
  const from = ledger.branches.get(target)?.state;
  assert(from !== undefined && isBranchState(state), "a known branch comes to a known state");
  assert(from !== BranchState.RETIRED && state !== from, "a branch changes until it is retired");
  assert(state !== BranchState.RETIRED || !ledger.isCounted(target), "a branch that counts is not retired");
}

function checkDurability(ledger: Ledger, { copies, members }: DurabilitySetRecord): void {
  assert(members.length <= DURABILITY_MEMBERS_MAX, "a bounded number of copies counts");
  assert(
    Number.isInteger(copies) && copies <= members.length && copies >= Math.min(1, members.length),
    "some of the copies that count are enough",
  );
  let last = 0;
  for (const { branch, copyId } of members) {
    assert(branch > last && ledger.branches.has(branch), "the branches that count are known, and ascend");
    assert(!ledger.isRetired(branch), "a retired branch does not count");
    assert(copyId.length === 16, "a copy id has 16 bytes");
    last = branch;
  }
  assert(new Set(members.map(({ copyId }) => toHex(copyId))).size === members.length, "a copy counts once");
}

function checkAccountUpdated(ledger: Ledger, { account, floor, ceiling }: AccountUpdatedRecord): void {
  checkCustomer(ledger, account);
  const { accounts } = ledger;
  assert(accounts.states[account] !== AccountState.CLOSED, "a closed account stays as it is");
  const posted = accounts.posted[account] as bigint;
  assert(posted - (accounts.held[account] as bigint) >= floor, "a floor is not above the balance");
  assert(ceiling === undefined || (ceiling >= posted && ceiling < AMOUNT_MAX), "a ceiling is not below the balance");
}

function checkStateChange(ledger: Ledger, account: AccountIndex, to: AccountState): void {
  checkCustomer(ledger, account);
  const { accounts } = ledger;
  const from = accounts.states[account] as AccountState;
  const isAllowed =
    (from === AccountState.OPEN && to !== AccountState.OPEN) ||
    (from === AccountState.FROZEN && to === AccountState.OPEN);
  assert(isAllowed, "an account goes from open to frozen and back, or from open to closed");
  if (to === AccountState.CLOSED)
    assert(accounts.posted[account] === 0n && accounts.held[account] === 0n, "an account is closed at zero");
}

function checkReversal(ledger: Ledger, record: ReversalRecord): void {
  assert(record.original >= 1 && record.original <= ledger.position, "a reversal is of the past");
  assert(ledger.reversalOf(record.original) === undefined, "a movement is reversed once");
  checkPosting(ledger, record);
}

function checkInterest(ledger: Ledger, record: InterestAppliedRecord): void {
  const { account: credit, paidFrom: debit, amount, balance, rate } = record;
  checkCustomer(ledger, credit);
  assert(rate >= 0 && rate <= RATE_MAX, "a rate is a percentage from 0 to 100");
  assert(balance >= 0n && balance === ledger.accounts.posted[credit], "interest is on the balance");
  if (debit === undefined) assert(amount === 0n, "interest that is posted is paid from somewhere");
  else checkPosting(ledger, { debit, credit, amount });
}

function checkHoldPlaced(ledger: Ledger, { account, held, captured, expiresMs }: HoldPlacedRecord): void {
  checkCustomer(ledger, account);
  const { accounts } = ledger;
  assert(accounts.states[account] === AccountState.OPEN, "a hold is placed on an open account");
  assert(held > 0n && captured === 0n, "a hold begins with all of a positive amount");
  assert(expiresMs === 0 || expiresMs > ledger.timeMs, "a hold ends in the future");
  const floor = accounts.floors[account] as bigint;
  const available = (accounts.posted[account] as bigint) - (accounts.held[account] as bigint);
  assert(available - held >= (floor > 0n ? floor : 0n), "a hold never draws on the overdraft");
}

function checkHoldCaptured(ledger: Ledger, record: HoldCapturedRecord): void {
  const hold = openHold(ledger, record);
  const { account: debit, credit, amount, captured, expiresMs } = record;
  assert(captured === hold.captured + amount && captured <= hold.held, "no more is captured than was held");
  assert(expiresMs === hold.expiresMs, "a capture does not change the expiry");
  checkPosting(ledger, { debit, credit, amount }, amount);
}

function openHold(ledger: Ledger, record: HoldCapturedRecord | HoldReleasedRecord | HoldExtendedRecord): HoldView {
  const hold = ledger.viewHold(record.hold);
  assert(hold?.state === HoldState.OPEN, "only an open hold changes");
  assert(record.account === hold.account && record.held === hold.held, "a hold keeps its account and amount");
  return hold;
}

function checkHoldsExpired(ledger: Ledger, { holds }: HoldsExpiredRecord): void {
  assert(holds.length >= 1 && holds.length <= EXPIRIES_PER_RECORD_MAX, "a record ends a bounded number of holds");
  let lastMs = 0;
  let last: Position = 0;
  for (const position of holds) {
    const hold = ledger.viewHold(position);
    assert(hold?.state === HoldState.OPEN, "only an open hold expires");
    const { expiresMs } = hold;
    assert(expiresMs !== 0 && expiresMs <= ledger.timeMs, "a hold expires when its time has come");
    assert(expiresMs > lastMs || (expiresMs === lastMs && position > last), "holds expire in the order of time");
    lastMs = expiresMs;
    last = position;
  }
}

function checkCustomer(ledger: Ledger, account: AccountIndex): void {
  assert(account < ledger.accounts.count && ledger.isCustomerAccount(account), "a customer's account is known");
}

import { AccountType, isCustomerType } from "../account.ts";
import { assert } from "../assert.ts";
import type { AccountIndex } from "../identifiers.ts";
import { AMOUNT_MAX, BRANCH_NUMBER_MAX } from "../limits.ts";
import { fitsBalance } from "../money.ts";
import type { AccountOpenedRecord, LedgerRecord, MovementRecord } from "../record.ts";
import { isMovement, RecordKind } from "../record.ts";
import type { Ledger } from "./ledger.ts";

/**
 * Gives the time of the batch whose records come next.
 * Throws: `InvariantError` when time would run backwards.
 */
export function beginBatch(ledger: Ledger, timeMs: number): void {
  assert(Number.isSafeInteger(timeMs) && timeMs >= ledger.timeMs, "journal time never runs backwards");
  ledger.timeMs = timeMs;
}

/**
 * Changes the state by one decided record: the same function on the bank, on every branch and in every replay. It holds
 * no business rule; it only refuses what no ledger could have decided.
 * Throws: `InvariantError`, with nothing changed.
 */
export function apply(ledger: Ledger, record: LedgerRecord): void {
  if (isMovement(record)) checkMovement(ledger, record);
  else checkOther(ledger, record);
  checkRequest(ledger, record);
  ledger.position++;
  if (isMovement(record)) {
    ledger.post(record.debit, -record.amount, 1);
    ledger.post(record.credit, record.amount, 1);
  } else {
    applyOther(ledger, record);
  }
  const { request } = record;
  if (request !== undefined) {
    const principal = ledger.internPrincipal(record.principal);
    ledger.addRequest(principal, request.id, ledger.position, request.hashLow, request.hashHigh);
  }
}

/**
 * Takes the newest record back: the exact inverse of `apply`.
 * Throws: `InvariantError`, with nothing changed, when `forgetUndo` was told that the record is committed.
 */
export function unapply(ledger: Ledger, record: LedgerRecord): void {
  assert(ledger.canRevertRecord(), "what is committed is never taken back");
  if (record.request !== undefined) ledger.removeNewestRequest();
  if (isMovement(record)) {
    ledger.post(record.credit, -record.amount, -1);
    ledger.post(record.debit, record.amount, -1);
  }
  ledger.revertRecord();
  ledger.position--;
}

function checkMovement(ledger: Ledger, record: MovementRecord): void {
  const { debit, credit, amount } = record;
  const { accounts } = ledger;
  assert(debit < accounts.count && credit < accounts.count && debit !== credit, "a movement has two known accounts");
  assert(accounts.currencies[debit] === accounts.currencies[credit], "a movement has one currency");
  assert(amount > 0n && amount <= AMOUNT_MAX, "a movement has a positive amount");
  const debitAfter = (accounts.posted[debit] as bigint) - amount;
  const creditAfter = (accounts.posted[credit] as bigint) + amount;
  assert(debitAfter >= (accounts.floors[debit] as bigint), "no balance falls below its floor");
  assert(fitsBalance(debitAfter) && fitsBalance(creditAfter), "balances stay within 64 bits");
}

function checkRequest(ledger: Ledger, record: LedgerRecord): void {
  if (record.request === undefined) assert(record.kind !== RecordKind.REJECTED, "a rejection answers a request");
  else assert(ledger.findRequest(record.principal, record.request.id) === -1, "a request is answered once");
}

type OtherRecord = Exclude<LedgerRecord, MovementRecord>;

function checkOther(ledger: Ledger, record: OtherRecord): void {
  switch (record.kind) {
    case RecordKind.ACCOUNT_OPENED:
      checkAccountOpened(ledger, record);
      return;
    case RecordKind.EPOCH_BEGUN:
      assert(record.number > (ledger.currentEpoch()?.number ?? 0), "epochs have ascending numbers");
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
      return;
    case RecordKind.REJECTED:
      return;
    default:
      record satisfies never;
      assert(false, "a record is of a known kind");
  }
}

function checkAccountOpened(ledger: Ledger, record: AccountOpenedRecord): void {
  const { account, type, currency, number, name, homeBranch, floor } = record;
  assert(account === ledger.accounts.count, "accounts are opened in the order of their index");
  assert(currency < ledger.currencies.length, "an account has a known currency");
  assert(homeBranch >= 0 && homeBranch <= BRANCH_NUMBER_MAX, "an account's branch has a number in range");
  assert(floor <= 0n, "an account opens with zero, at or above its floor");
  if (isCustomerType(type)) {
    assert(number === ledger.nextAccountNumber && name === "", "customers' account numbers follow each other");
  } else {
    assert(number === 0 && name !== "", "an internal account has a name and no number");
    assert(ledger.accounts.findByName(name) === undefined, "an internal account's name is new");
  }
  if (type === AccountType.CASH)
    assert(ledger.findCashAccount(homeBranch, currency) === undefined, "a branch has one cash account per currency");
}

function applyOther(ledger: Ledger, record: OtherRecord): void {
  switch (record.kind) {
    case RecordKind.ACCOUNT_OPENED:
      ledger.addAccount({ ...record, openedPosition: ledger.position, openedTimeMs: ledger.timeMs });
      if (record.number !== 0) ledger.nextAccountNumber++;
      ledger.undo(() => {
        if (record.number !== 0) ledger.nextAccountNumber--;
        ledger.removeNewestAccount();
      });
      return;
    case RecordKind.REJECTED:
      return;
    case RecordKind.EPOCH_BEGUN: {
      const { number, id, lossAccepted } = record;
      ledger.addEpoch({ number, id, firstPosition: ledger.position, lossAccepted });
      ledger.undo(() => ledger.removeNewestEpoch());
      return;
    }
    case RecordKind.CURRENCY_DEFINED:
      ledger.addCurrency({ code: record.code, decimals: record.decimals });
      ledger.undo(() => ledger.removeNewestCurrency());
      return;
    case RecordKind.BRANCH_REGISTERED: {
      const previous = ledger.branches.get(record.number);
      ledger.setBranch(record.number, { name: record.name, address: record.address });
      ledger.undo(() => ledger.setBranch(record.number, previous));
      return;
    }
    case RecordKind.STATE_ROOT: {
      const previous = ledger.root;
      ledger.root = { position: record.position, root: record.root };
      ledger.undo(() => {
        ledger.root = previous;
      });
      return;
    }
  }
}

/** What `rollback` needs to bring a ledger back to where it was. */
export interface Mark {
  readonly position: number;
  readonly timeMs: number;
  readonly digest: Uint8Array;
}

/** Notes where the ledger stands, before a batch is executed on it. */
export function mark(ledger: Ledger): Mark {
  return { position: ledger.position, timeMs: ledger.timeMs, digest: ledger.digestBytes() };
}

/**
 * Takes back every record since the mark.
 * Throws: `InvariantError` when the digest then differs: the ledger must not be used any more.
 */
export function rollback(ledger: Ledger, to: Mark, records: readonly LedgerRecord[]): void {
  assert(ledger.position - to.position === records.length, "exactly the records since the mark are taken back");
  for (let i = records.length - 1; i >= 0; i--) unapply(ledger, records[i] as LedgerRecord);
  ledger.timeMs = to.timeMs;
  const digest = ledger.digestBytes();
  assert(
    digest.every((byte, i) => byte === to.digest[i]),
    "rolling back restores the digest",
  );
}

/** Sum of all posted balances of each currency, by code. Double entry keeps every one of them zero. */
export function totals(ledger: Ledger): ReadonlyMap<string, bigint> {
  const sums = ledger.currencies.map(() => 0n);
  for (let account = 0; account < ledger.accounts.count; account++) {
    const currency = ledger.accounts.currencies[account] as number;
    sums[currency] = (sums[currency] as bigint) + (ledger.accounts.posted[account as AccountIndex] as bigint);
  }
  return new Map(ledger.currencies.map(({ code }, index) => [code, sums[index] as bigint]));
}

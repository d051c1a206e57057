import { assert } from "../assert.ts";
import type { AccountIndex } from "../identifiers.ts";
import type { LedgerRecord } from "../record.ts";
import { isMovement } from "../record.ts";
import { applyRecord } from "./apply-record.ts";
import { checkPosting, checkRecord, checkRequest } from "./check-record.ts";
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
  if (isMovement(record)) checkPosting(ledger, record);
  else checkRecord(ledger, record);
  checkRequest(ledger, record);
  ledger.position++;
  try {
    // What can fail for want of memory comes before what money moves.
    rememberRequest(ledger, record);
    if (isMovement(record)) {
      ledger.accounts.beforePosting(record.debit);
      ledger.accounts.beforePosting(record.credit);
      ledger.post(record.debit, -record.amount, 1);
      ledger.post(record.credit, record.amount, 1);
    } else {
      applyRecord(ledger, record);
    }
  } catch (error) {
    ledger.revertRecord();
    ledger.position--;
    throw error;
  }
}

/**
 * Takes the newest record back: the exact inverse of `apply`.
 * Throws: `InvariantError`, with nothing changed, when `forgetUndo` was told that the record is committed.
 */
export function unapply(ledger: Ledger, record: LedgerRecord): void {
  assert(ledger.canRevertRecord(), "what is committed is never taken back");
  if (isMovement(record)) {
    ledger.post(record.credit, -record.amount, -1);
    ledger.post(record.debit, record.amount, -1);
  }
  ledger.revertRecord();
  ledger.position--;
}

function rememberRequest(ledger: Ledger, { principal, request }: LedgerRecord): void {
  if (request === undefined) return;
  const index = ledger.internPrincipal(principal);
  ledger.addRequest(index, request.id, ledger.position, request.hashLow, request.hashHigh);
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

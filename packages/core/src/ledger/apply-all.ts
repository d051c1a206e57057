import { assert } from "../assert.ts";
import type { LedgerRecord } from "../record.ts";
import { RecordKind } from "../record.ts";
import { type Actor, RecordList, type Records } from "../record-list.ts";
import { apply, unapply } from "./apply.ts";
import type { Ledger } from "./ledger.ts";
import { numberAt, READ_AHEAD } from "./movements.ts";

const NONE = -1;

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

/** Applies records in their order. Throws as `apply`, with those before it applied. */
export function applyAll(ledger: Ledger, records: Iterable<LedgerRecord>): void {
  if (records instanceof RecordList) applyList(ledger, records);
  else for (const record of records) apply(ledger, record);
}

/**
 * Takes back every record since the mark.
 * Throws: `InvariantError` when the digest then differs: the ledger must not be used any more.
 */
export function rollback(ledger: Ledger, to: Mark, records: Records): void {
  assert(ledger.position - to.position === records.length, "exactly the records since the mark are taken back");
  for (let i = records.length - 1; i >= 0; i--)
    if (!(records instanceof RecordList && unapplyMovement(ledger, records, i)))
      unapply(ledger, records.at(i) as LedgerRecord);
  ledger.timeMs = to.timeMs;
  const digest = ledger.digestBytes();
  assert(
    digest.every((byte, i) => byte === to.digest[i]),
    "rolling back restores the digest",
  );
}

function applyList(ledger: Ledger, list: RecordList): void {
  const { length } = list;
  const principals = new Principals(ledger, list.actors);
  for (let i = 0; i < length; i++) {
    if (i % READ_AHEAD === 0) readAhead(ledger, list, i, principals);
    if (!applyMovement(ledger, list, i, principals)) apply(ledger, list.at(i) as LedgerRecord);
  }
}

function readAhead({ movements, requests }: Ledger, list: RecordList, from: number, principals: Principals): void {
  const count = Math.min(READ_AHEAD, list.length - from);
  movements.touch(list.debits.subarray(from, from + count), count);
  movements.touch(list.credits.subarray(from, from + count), count);
  // Neighbours mostly have the same principal; ids of others are only looked for in the wrong place.
  const principal = principals.indexOf(list.actorIndexes[from] as number);
  requests.touchAt(principal, list.requestIds, 4 * from, count);
}

/** Whether the record was a movement that needs no more than that, and was applied: what is not is for `apply`. */
function applyMovement(ledger: Ledger, list: RecordList, index: number, principals: Principals): boolean {
  if ((list.kinds[index] as number) > RecordKind.TRANSFER) return false;
  const { movements, requests } = ledger;
  const debit = list.debits[index] as number;
  const credit = list.credits[index] as number;
  const amount = numberAt(list.amountWords, index);
  if (!movements.isAllowed(debit, credit, amount)) return false;
  movements.prepare(debit, credit);
  const position = ledger.position + 1;
  if (list.answers[index] === 1) {
    const { requestIds, requestHashes } = list;
    const principal = principals.indexOf(list.actorIndexes[index] as number);
    // Whoever asks for the first time is remembered with what takes that back.
    if (principal === NONE || requests.findAt(principal, requestIds, 4 * index) !== NONE) return false;
    const low = requestHashes[2 * index] as number;
    const high = requestHashes[2 * index + 1] as number;
    movements.remember(principal, requestIds, 4 * index, position, low, high);
  }
  ledger.position = position;
  movements.post(debit, credit, amount, 1);
  return true;
}

/** Whether the newest record was a movement that can be taken back as numbers, and was. */
function unapplyMovement(ledger: Ledger, list: RecordList, index: number): boolean {
  if ((list.kinds[index] as number) > RecordKind.TRANSFER || !ledger.canRevertRecord()) return false;
  const { movements } = ledger;
  const debit = list.debits[index] as number;
  const credit = list.credits[index] as number;
  const amount = numberAt(list.amountWords, index);
  if (!movements.isReversible(debit, credit, amount)) return false;
  movements.prepare(debit, credit);
  movements.post(debit, credit, amount, -1);
  ledger.revertRecord();
  ledger.position--;
  return true;
}

/** The ledger's indexes of those who act in a list. */
class Principals {
  private readonly ledger: Ledger;
  private readonly actors: readonly Actor[];
  private readonly indexes: number[] = [];

  constructor(ledger: Ledger, actors: readonly Actor[]) {
    this.ledger = ledger;
    this.actors = actors;
  }

  /** −1 for one who was never answered. */
  indexOf(actor: number): number {
    const known = this.indexes[actor];
    if (known !== undefined) return known;
    const index = this.ledger.principalIndex((this.actors[actor] as Actor).principal) ?? NONE;
    if (index !== NONE) this.indexes[actor] = index;
    return index;
  }
}

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type AccountIndex, AMOUNT_MAX, type Position } from "@bank/core";
import { blob, integer } from "./columns.ts";
import type { Entries } from "./entries.ts";
import type { EntryReader } from "./entry-reader.ts";
import { DamagedHistoryError, ensure } from "./errors.ts";
import type {
  AccountEntry,
  HistoryPage,
  ListFilter,
  ListQuery,
  ProjectedBalance,
  ProjectedTransaction,
} from "./queries.ts";
import { type FoundTransaction, TransactionRow } from "./transaction-row.ts";

/** Answers questions from the rows, and from what is in none yet. */
export class ProjectionReader {
  private readonly entries: EntryReader;
  private readonly transactionRow: StatementSync;
  private readonly reversal: StatementSync;
  private readonly lastBefore: StatementSync;
  private readonly timeOf: StatementSync;
  private readonly scanMax: number;

  /** @param scanMax entries that one page looks at. */
  constructor(database: DatabaseSync, entries: EntryReader, scanMax: number) {
    this.scanMax = scanMax;
    this.entries = entries;
    this.transactionRow = database.prepare(
      "SELECT first_position, data FROM transactions WHERE first_position <= ? ORDER BY first_position DESC LIMIT 1",
    );
    this.reversal = database.prepare("SELECT position FROM reversals WHERE original = ? AND position <= ?");
    this.lastBefore = database.prepare(
      "SELECT last_position FROM batches WHERE time_ms < ? ORDER BY time_ms DESC, last_position DESC LIMIT 1",
    );
    this.timeOf = database.prepare(
      "SELECT time_ms FROM batches WHERE last_position >= ? ORDER BY last_position LIMIT 1",
    );
  }

  list(query: ListQuery): HistoryPage {
    const { account, filter, upper } = query;
    this.checkExpected(query);
    const timeMs = this.timeAt(upper);
    if (filter.counterparty === account) return { entries: [], next: undefined, timeMs };
    const { hits, isFull, beyond } = this.scan(query);
    const entries: AccountEntry[] = [];
    // Of an account that moves often the transactions are neighbours.
    let row: TransactionRow | undefined;
    for (const hit of hits) {
      let found = row?.at(hit.position);
      if (found === undefined) {
        row = this.rowUpTo(hit.position);
        found = row?.at(hit.position);
      }
      if (found === undefined || changeOf(found, account) !== hit.change)
        throw new DamagedHistoryError(`the entry of account ${account} at ${hit.position} is of no such transaction`);
      entries.push({ ...this.asOf(found, upper), postedAfter: hit.posted });
    }
    return { entries, next: nextCursor(query, entries, isFull, beyond), timeMs };
  }

  transaction(position: Position, upper: Position): ProjectedTransaction | undefined {
    if (position > upper) return undefined;
    const found = this.rowUpTo(position)?.at(position);
    return found === undefined ? undefined : this.asOf(found, upper);
  }

  balance(account: AccountIndex, position: Position): ProjectedBalance {
    return { ...this.entries.balanceAt(account, position), timeMs: this.timeAt(position) };
  }

  /** The last position whose journal time is not behind the moment; 0 before the first. */
  positionAt(timeMs: number): Position {
    return this.lastPositionBefore(timeMs + 1);
  }

  private rangeOf({ upper, cursor, oldestFirst, filter }: ListQuery): { above: Position; below: Position } {
    const { fromMs, beforeMs } = filter;
    const above = fromMs === undefined ? 0 : this.lastPositionBefore(fromMs);
    const last = beforeMs === undefined ? upper : Math.min(upper, this.lastPositionBefore(beforeMs));
    if (cursor === undefined) return { above, below: last + 1 };
    return oldestFirst
      ? { above: Math.max(above, cursor), below: last + 1 }
      : { above, below: Math.min(last + 1, cursor) };
  }

  /** Looks at entries until the page is full, or as many were looked at as a page may. */
  private scan(query: ListQuery): Scan {
    const { account, oldestFirst, filter, pageSize } = query;
    const range = { account, ...this.rangeOf(query) };
    const passes = filterOf(filter);
    const runs = oldestFirst ? this.entries.oldestFirst(range) : this.entries.newestFirst(range, this.scanMax + 1);
    const hits: Hit[] = [];
    let scanned = 0;
    for (const { entries, from, to } of runs) {
      for (let i = 0; i <= to - from; i++) {
        const at = oldestFirst ? from + i : to - i;
        // Behind the last entry that this page looks at comes the first that the next page may.
        if (scanned++ === this.scanMax) return { hits, isFull: false, beyond: entries.position(at) };
        if (!passes(entries, at)) continue;
        if (hits.length === pageSize) return { hits, isFull: true, beyond: undefined };
        hits.push({ position: entries.position(at), posted: entries.posted(at), change: entries.change(at) });
      }
    }
    return { hits, isFull: false, beyond: undefined };
  }

  /** The transactions among which one is that has this position. */
  private rowUpTo(position: Position): TransactionRow | undefined {
    const row = this.transactionRow.get(position);
    return row === undefined ? undefined : new TransactionRow(blob(row, "data"), integer(row, "first_position"));
  }

  private asOf(transaction: FoundTransaction, upper: Position): ProjectedTransaction {
    const reversal = this.reversal.get(transaction.position, upper);
    return { ...transaction, reversedBy: reversal === undefined ? undefined : integer(reversal, "position") };
  }

  private lastPositionBefore(timeMs: number): Position {
    const row = this.lastBefore.get(timeMs);
    return row === undefined ? 0 : integer(row, "last_position");
  }

  private timeAt(position: Position): number {
    const row = this.timeOf.get(position);
    ensure(row !== undefined, `position ${position} is projected`);
    return integer(row, "time_ms");
  }

  private checkExpected({ account, upper, expected }: ListQuery): void {
    if (expected === undefined) return;
    const { posted, held } = this.entries.balanceAt(account, upper);
    ensure(
      posted === expected.posted && held === expected.held,
      `account ${account} has at position ${upper} what the ledger says: ` +
        `${expected.posted} posted and ${expected.held} held, not ${posted} and ${held}`,
    );
  }
}

/** An entry that a page shows. */
interface Hit {
  readonly position: Position;
  readonly posted: bigint;
  readonly change: bigint;
}

interface Scan {
  readonly hits: readonly Hit[];
  /** There is at least one more behind a full page. */
  readonly isFull: boolean;
  /** The first entry that was not looked at, where too many were. */
  readonly beyond: Position | undefined;
}

/** Whether an entry moved money and is one of those that are asked for. */
function filterOf(filter: ListFilter): (entries: Entries, index: number) => boolean {
  const { amountMin = 0n, amountMax = AMOUNT_MAX, counterparty } = filter;
  const kinds = new Set<number>(filter.kinds ?? []);
  return (entries, index) => {
    const kind = entries.kind(index);
    if (kind === 0 || (kinds.size > 0 && !kinds.has(kind))) return false;
    if (counterparty !== undefined && entries.counterparty(index) !== counterparty) return false;
    if (amountMin <= 0n && amountMax >= AMOUNT_MAX) return true;
    const change = entries.change(index);
    const amount = change < 0n ? -change : change;
    return amount >= amountMin && amount <= amountMax;
  };
}

/** How a transaction changed an account; undefined where it did not. */
function changeOf({ debit, credit, amount }: FoundTransaction, account: AccountIndex): bigint | undefined {
  if (debit === account) return -amount;
  return credit === account ? amount : undefined;
}

/** Where the next page begins: behind the last transaction of a full page, else behind all that was looked at. */
function nextCursor(
  { oldestFirst }: ListQuery,
  entries: readonly AccountEntry[],
  isFull: boolean,
  beyond: Position | undefined,
): Position | undefined {
  if (isFull) return entries.at(-1)?.position;
  if (beyond === undefined) return undefined;
  return oldestFirst ? beyond - 1 : beyond + 1;
}

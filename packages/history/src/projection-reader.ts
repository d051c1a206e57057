import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type AccountIndex, AMOUNT_MAX, type Position, type RecordKind } from "@bank/core";
import type { Balance } from "./balances.ts";
import { int64, integer, optionalBytes, optionalInteger, type Row } from "./columns.ts";
import { ensure } from "./errors.ts";
import type { AccountEntry, HistoryPage, ListQuery, ProjectedBalance, ProjectedTransaction } from "./queries.ts";

/** Entries of one account between two positions, both left out, in one of the two directions. */
interface Direction {
  /** The position of the entry behind so many. */
  readonly skip: StatementSync;
  /** Those that moved money and pass the filter. */
  readonly page: StatementSync;
}

const COLUMNS = "t.position, t.kind, t.debit, t.credit, t.amount, t.branch, t.time_ms, t.request_id, t.reference";
const RANGE = "account = :account AND position > :above AND position < :below";

/** Answers questions from the rows. */
export class ProjectionReader {
  private readonly oldestFirst: Direction;
  private readonly newestFirst: Direction;
  private readonly one: StatementSync;
  private readonly newest: StatementSync;
  private readonly lastBefore: StatementSync;
  private readonly timeOf: StatementSync;
  private readonly scanMax: number;

  /** @param scanMax entries that one page looks at. */
  constructor(database: DatabaseSync, scanMax: number) {
    this.scanMax = scanMax;
    this.oldestFirst = direction(database, "ASC");
    this.newestFirst = direction(database, "DESC");
    this.one = database.prepare(
      `SELECT ${COLUMNS}, r.position AS reversed_by
       FROM transactions t LEFT JOIN reversals r ON r.original = t.position AND r.position <= :upper
       WHERE t.position = :position`,
    );
    this.newest = database.prepare(
      "SELECT posted, held FROM entries WHERE account = ? AND position <= ? ORDER BY position DESC LIMIT 1",
    );
    this.lastBefore = database.prepare(
      "SELECT last_position FROM batches WHERE time_ms < ? ORDER BY time_ms DESC, last_position DESC LIMIT 1",
    );
    this.timeOf = database.prepare(
      "SELECT time_ms FROM batches WHERE last_position >= ? ORDER BY last_position LIMIT 1",
    );
  }

  list(query: ListQuery): HistoryPage {
    const { account, oldestFirst, filter, pageSize } = query;
    this.checkExpected(query);
    const timeMs = this.timeAt(query.upper);
    if (filter.counterparty === account) return { entries: [], next: undefined, timeMs };
    const { skip, page } = oldestFirst ? this.oldestFirst : this.newestFirst;
    const range = { account, ...this.rangeOf(query) };
    // Behind the last entry that this page looks at comes the first that the next page may.
    const beyond = skip.get({ ...range, scan: this.scanMax });
    const beyondPosition = beyond === undefined ? undefined : integer(beyond, "position");
    if (beyondPosition !== undefined) range[oldestFirst ? "below" : "above"] = beyondPosition;
    const rows = page.all({
      ...range,
      upper: query.upper,
      kinds: kindMask(filter.kinds ?? []),
      amountMin: filter.amountMin ?? 0n,
      amountMax: filter.amountMax ?? AMOUNT_MAX,
      counterparty: filter.counterparty ?? null,
      limit: pageSize + 1,
    });
    const entries = rows.slice(0, pageSize).map(accountEntry);
    return { entries, next: nextCursor(query, entries, rows.length > pageSize, beyondPosition), timeMs };
  }

  transaction(position: Position, upper: Position): ProjectedTransaction | undefined {
    const row = position > upper ? undefined : this.one.get({ position, upper });
    return row === undefined ? undefined : transaction(row);
  }

  balance(account: AccountIndex, position: Position): ProjectedBalance {
    return { ...this.balanceAt(account, position), timeMs: this.timeAt(position) };
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

  private balanceAt(account: AccountIndex, position: Position): Balance {
    const row = this.newest.get(account, position);
    return row === undefined ? { posted: 0n, held: 0n } : { posted: int64(row, "posted"), held: int64(row, "held") };
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
    const { posted, held } = this.balanceAt(account, upper);
    ensure(
      posted === expected.posted && held === expected.held,
      `account ${account} has at position ${upper} what the ledger says: ` +
        `${expected.posted} posted and ${expected.held} held, not ${posted} and ${held}`,
    );
  }
}

function direction(database: DatabaseSync, order: "ASC" | "DESC"): Direction {
  return {
    skip: database.prepare(
      `SELECT position FROM entries WHERE ${RANGE} ORDER BY position ${order} LIMIT 1 OFFSET :scan`,
    ),
    // CROSS JOIN: the entries lead, in their order, so that it ends with the page.
    page: database.prepare(
      `SELECT ${COLUMNS}, e.posted, r.position AS reversed_by
       FROM (SELECT position, posted FROM entries WHERE ${RANGE}) e
       CROSS JOIN transactions t ON t.position = e.position
       LEFT JOIN reversals r ON r.original = e.position AND r.position <= :upper
       WHERE (:kinds >> t.kind) & 1 AND t.amount BETWEEN :amountMin AND :amountMax
         AND (:counterparty IS NULL OR t.debit = :counterparty OR t.credit = :counterparty)
       ORDER BY e.position ${order} LIMIT :limit`,
    ),
  };
}

/** One bit for each kind; all of them where none is named. */
function kindMask(kinds: readonly RecordKind[]): bigint {
  if (kinds.length === 0) return -1n;
  return kinds.reduce((mask, kind) => mask | (1n << BigInt(kind)), 0n);
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

function accountEntry(row: Row): AccountEntry {
  return { ...transaction(row), postedAfter: int64(row, "posted") };
}

function transaction(row: Row): ProjectedTransaction {
  return {
    position: integer(row, "position"),
    kind: integer(row, "kind") as RecordKind,
    debit: integer(row, "debit") as AccountIndex,
    credit: integer(row, "credit") as AccountIndex,
    amount: int64(row, "amount"),
    branch: integer(row, "branch"),
    timeMs: integer(row, "time_ms"),
    requestId: optionalBytes(row, "request_id", 16),
    reference: optionalInteger(row, "reference"),
    reversedBy: optionalInteger(row, "reversed_by"),
  };
}

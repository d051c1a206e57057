import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { AccountIndex, Position } from "@bank/core";
import { Accounts, type StoredAccount } from "./accounts.ts";
import type { Balance } from "./balance.ts";
import { blob, int64, integer, type Row } from "./columns.ts";
import { type Entries, lastUpTo } from "./entries.ts";
import { EntryRow } from "./entry-row.ts";
import { ensure } from "./errors.ts";
import { RecentEntries } from "./recent-entries.ts";

/** More rows than this no account can have: account and number of the row share 63 bits. */
const ROWS_MAX = 2 ** 31;

/** Where the rows of an account are, in the order of their positions. */
export function rowKey(account: AccountIndex, row: number): bigint {
  if (row >= ROWS_MAX) ensure(false, `account ${account} has no more than ${ROWS_MAX} rows`);
  return BigInt(account) * BigInt(ROWS_MAX) + BigInt(row);
}

/** Entries that were asked for, of those that stand together: from index `from` to `to`, both with it. */
export interface Run {
  readonly entries: Entries;
  readonly from: number;
  readonly to: number;
}

/** Which entries of an account: those between two positions, both left out. */
export interface EntryRange {
  readonly account: AccountIndex;
  readonly above: Position;
  readonly below: Position;
}

/** Reads the entries of accounts, older ones from rows, and the newest from memory. */
export class EntryReader {
  /** The state of every account. */
  readonly accounts: Accounts;
  /** What is in no row yet. */
  readonly recent: RecentEntries;
  private readonly newestRow: StatementSync;
  private readonly rowAt: StatementSync;
  private readonly firstOfRow: StatementSync;
  /** No account from here on had rows at the opening, and whichever got some since is known: nothing is looked up for them. */
  private readonly accountsEnd: number;

  constructor(database: DatabaseSync) {
    this.newestRow = database.prepare(
      "SELECT key, first_position, data FROM entries WHERE key BETWEEN ? AND ? ORDER BY key DESC LIMIT 1",
    );
    this.rowAt = database.prepare("SELECT first_position, data FROM entries WHERE key = ?");
    this.firstOfRow = database.prepare("SELECT first_position FROM entries WHERE key = ?");
    const last = database.prepare("SELECT key FROM entries ORDER BY key DESC LIMIT 1").get();
    this.accountsEnd = last === undefined ? 0 : Number(int64(last, "key") / BigInt(ROWS_MAX)) + 1;
    this.accounts = new Accounts((account) => this.stored(account));
    this.recent = new RecentEntries(this.accounts);
  }

  /** What an account has behind its last entry up to a position. */
  balanceAt(account: AccountIndex, position: Position): Balance {
    const recent = this.recent.between(account, 0, position + 1, 1);
    if (recent.length > 0) return { posted: recent.posted(0), held: recent.held(0) };
    const row = this.rowUpTo(account, position);
    if (row < 0) return { posted: 0n, held: 0n };
    const entries = this.row(account, row);
    const at = lastUpTo(entries, position);
    return { posted: entries.posted(at), held: entries.held(at) };
  }

  /** Every entry of the range, oldest first. */
  *oldestFirst({ account, above, below }: EntryRange): Generator<Run> {
    const rows = this.accounts.rowsOf(account);
    for (let row = Math.max(0, this.rowUpTo(account, above)); row < rows; row++) {
      const entries = this.row(account, row);
      const from = lastUpTo(entries, above) + 1;
      const to = lastUpTo(entries, below - 1);
      yield { entries, from, to };
      if (to < entries.length - 1) return;
    }
    const entries = this.recent.between(account, above, below, Number.POSITIVE_INFINITY);
    yield { entries, from: 0, to: entries.length - 1 };
  }

  /**
   * Every entry of the range, newest first; within a run they stand in the order of their positions all the same.
   *
   * @param max how many of the newest are wanted at the most: of those in memory no more are looked for.
   */
  *newestFirst({ account, above, below }: EntryRange, max: number): Generator<Run> {
    const recent = this.recent.between(account, above, below, max);
    yield { entries: recent, from: 0, to: recent.length - 1 };
    for (let row = this.rowUpTo(account, below - 1); row >= 0; row--) {
      const entries = this.row(account, row);
      const from = lastUpTo(entries, above) + 1;
      yield { entries, from, to: lastUpTo(entries, below - 1) };
      if (from > 0) return;
    }
  }

  /** The last row of an account that begins no later than a position; -1 where there is none. */
  private rowUpTo(account: AccountIndex, position: Position): number {
    let low = 0;
    let high = this.accounts.rowsOf(account);
    // Mostly the newest is asked for.
    for (let middle = high - 1; low < high; middle = (low + high) >>> 1) {
      if (this.firstOf(account, middle) <= position) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  private firstOf(account: AccountIndex, row: number): Position {
    return integer(existing(this.firstOfRow.get(rowKey(account, row)), account), "first_position");
  }

  private row(account: AccountIndex, row: number): EntryRow {
    return entryRow(account, existing(this.rowAt.get(rowKey(account, row)), account));
  }

  private stored(account: AccountIndex): StoredAccount {
    if (account >= this.accountsEnd) return { posted: 0n, held: 0n, rows: 0 };
    const row = this.newestRow.get(rowKey(account, 0), rowKey(account, ROWS_MAX - 1));
    if (row === undefined) return { posted: 0n, held: 0n, rows: 0 };
    const entries = entryRow(account, row);
    const last = entries.length - 1;
    const rows = Number(int64(row, "key") - rowKey(account, 0)) + 1;
    return { posted: entries.posted(last), held: entries.held(last), rows };
  }
}

function existing(row: Row | undefined, account: AccountIndex): Row {
  if (row === undefined) ensure(false, `the rows of account ${account} are all there`);
  return row;
}

function entryRow(account: AccountIndex, row: Row): EntryRow {
  return new EntryRow(blob(row, "data"), { account, position: integer(row, "first_position") });
}

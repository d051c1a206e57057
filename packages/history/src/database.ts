import { existsSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { DamagedHistoryError } from "./errors.ts";

/** Says in the file's header what the file is: "bnkh". */
const APPLICATION_ID = 0x626e_6b68;
/** Counts changes of the tables. A file of another version is built anew. */
const LAYOUT_VERSION = 2;

/** Names an SQLite database without a file. */
export const MEMORY = ":memory:";

/**
 * Bytes of a page, memory for pages in KiB, and pages in the log at which a commit brings them to the tables: the more there are,
 * the longer that takes. Entries go to as many pages as there are accounts that moved: the longer those stay in memory and in
 * the log, the less often each is written; and with pages of the usual size there would be nearly twice as many.
 */
const PAGE_BYTES = 8 * 1024;
const CACHE_KIB = 32 * 1024;
const CHECKPOINT_PAGES = 4 * 1024;
/** What the log may keep on the disk once its pages are in the tables. */
const LOG_KEPT_BYTES = 64 * 1024 * 1024;

const TABLES = `
  -- Where the rows end: one row, absent before the first batch.
  CREATE TABLE head (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    position INTEGER NOT NULL,
    epoch_id BLOB NOT NULL,
    chain_hash BLOB NOT NULL,
    time_ms INTEGER NOT NULL
  ) STRICT;

  -- Journal time of every position: that of the first row that ends there or behind. Batches of one time may share a row.
  CREATE TABLE batches (last_position INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL) STRICT;
  CREATE INDEX batches_by_time ON batches (time_ms);

  -- Records that moved money, packed: see transaction-row.ts.
  CREATE TABLE transactions (first_position INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
  CREATE TABLE reversals (original INTEGER PRIMARY KEY, position INTEGER NOT NULL) STRICT;

  -- Every change of an account's balances, with what they are behind it, packed: see entry-row.ts. The key is the account's index
  -- times 2^31, and the number of the row among those of the account. The key is the rowid: such rows would be too large for the
  -- inner pages of a table without one.
  CREATE TABLE entries (key INTEGER PRIMARY KEY, first_position INTEGER NOT NULL, data BLOB NOT NULL) STRICT;

  -- Open holds, and what is left of them: the record that ends them by their time does not say it.
  CREATE TABLE holds (position INTEGER PRIMARY KEY, account INTEGER NOT NULL, remaining INTEGER NOT NULL) STRICT;
`;

/**
 * Opens the database of a projection, and makes it where there is none.
 * Throws: `DamagedHistoryError` for a file that is something else; SQLite's errors.
 */
export function openDatabase(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { readBigInts: true });
  try {
    // Nobody else opens the file, and a second server that tries is told so. Pages get their size before there are any.
    database.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL`);
    // A power cut may take the newest transactions, never half of one: the journal has them all.
    database.exec(`PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    // One transaction may write a gigabyte, where many accounts moved.
    database.exec(`PRAGMA journal_size_limit = ${LOG_KEPT_BYTES}`);
    database.exec(`PRAGMA cache_size = -${CACHE_KIB}; PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF`);
    const found = layoutOf(database);
    if (found === "empty") create(database);
    else if (found !== "known") throw new DamagedHistoryError(found);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Removes the file of a projection, closed before, and what SQLite keeps beside it. */
export function removeDatabase(file: string): void {
  if (file === MEMORY) return;
  for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(`${file}${suffix}`, { force: true });
  if (existsSync(file)) throw new Error(`${file} could not be removed`);
}

/** "known", "empty", or what it is instead. */
function layoutOf(database: DatabaseSync): string {
  const applicationId = pragma(database, "application_id");
  const version = pragma(database, "user_version");
  const tables = pragma(database, "schema_version");
  if (applicationId === 0 && version === 0 && tables === 0) return "empty";
  if (applicationId !== APPLICATION_ID) return "the file is no history";
  return version === LAYOUT_VERSION ? "known" : `the file has layout ${version}, and this program ${LAYOUT_VERSION}`;
}

function create(database: DatabaseSync): void {
  database.exec(
    `BEGIN; ${TABLES} PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${LAYOUT_VERSION}; COMMIT`,
  );
}

function pragma(database: DatabaseSync, name: string): number {
  const row = database.prepare(`PRAGMA ${name}`).get();
  return Number(row === undefined ? 0 : Object.values(row)[0]);
}

import type { DatabaseSync } from "node:sqlite";
import { CorruptStoreError, StoreVersionError } from "../errors.ts";
import { pragma } from "./connection.ts";

/** Counts up with every change of the tables below that an older program could not handle. */
export const LAYOUT_VERSION = 2;
/** Of a journal that is whole: programs that know nothing of gaps can use it. */
export const WHOLE_LAYOUT = 1;
/** Of a journal with a gap, whose bounds are in one more table. It is so until the gap closes. */
export const GAP_LAYOUT = 2;

/** "BANK", in the file's header: tells a journal from any other SQLite file. */
const APPLICATION_ID = 0x42414e4b;

/**
 * The hashes stand before the frame: SQLite finds what is behind a large blob only by walking through it.
 * `meta` has one row. Its `layout_version` stays where it is in every later layout.
 */
const TABLES = `
  CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    layout_version INTEGER NOT NULL,
    bank_id BLOB,
    epoch INTEGER NOT NULL,
    checksum BLOB NOT NULL,
    clean INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE journal (
    first_position INTEGER PRIMARY KEY,
    last_position INTEGER NOT NULL,
    previous_hash BLOB NOT NULL,
    chain_hash BLOB NOT NULL,
    frame BLOB NOT NULL
  ) STRICT;
  CREATE TABLE snapshots (
    position INTEGER PRIMARY KEY,
    header BLOB NOT NULL,
    page_count INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE snapshot_pages (
    position INTEGER NOT NULL,
    page_number INTEGER NOT NULL,
    page BLOB NOT NULL,
    PRIMARY KEY (position, page_number)
  ) STRICT;
`;

/**
 * What kind of file this is. Asked before any setting is changed in it.
 * Throws: `StoreVersionError`, `CorruptStoreError` where it is no journal that this program can use; SQLite's errors.
 */
export function readLayout(database: DatabaseSync, path: string): "empty" | "journal" {
  const empty = database.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined;
  const applicationId = pragma(database, "application_id");
  if (empty && applicationId === 0) return "empty";
  if (applicationId !== APPLICATION_ID) {
    throw new CorruptStoreError(`${path} is an SQLite file, but not the journal of a bank`);
  }
  const version = database.prepare("SELECT layout_version FROM meta").get()?.["layout_version"];
  if (typeof version === "number" && version > LAYOUT_VERSION) {
    throw new StoreVersionError(
      `${path} has layout ${version}, written by a newer program; this one knows layouts up to ${LAYOUT_VERSION}: ` +
        "use the newer program",
    );
  }
  if (version !== WHOLE_LAYOUT && version !== GAP_LAYOUT)
    throw new CorruptStoreError(`${path} has the impossible layout ${version}`);
  return "journal";
}

/** Makes the tables, inside the caller's transaction. `meta`'s row is the caller's next step. */
export function createLayout(database: DatabaseSync): void {
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}; ${TABLES}`);
}

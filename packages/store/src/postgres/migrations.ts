import { StoreError, StoreVersionError } from "../errors.ts";
import { integer } from "./columns.ts";
import { Connection, type Statement } from "./connection.ts";
import { type PostgresPlace, parsePlace } from "./place.ts";
import {
  failure,
  hasCode,
  isServerError,
  UNDEFINED_SCHEMA,
  UNDEFINED_TABLE,
  UNIQUE_VIOLATION,
} from "./postgres-errors.ts";
import { connectToPrimary } from "./primary.ts";

const DEADLINE_MS = 30_000;

/**
 * Each is what leads from the layout before it to the next, and is never changed once it was released. `$` stands for the
 * schema. The lease has one row; there is no time in it, since no two clocks agree.
 */
const MIGRATIONS: readonly (readonly string[])[] = [
  [
    `CREATE TABLE $.lease (
      id int2 PRIMARY KEY CHECK (id = 1),
      token bytea,
      address text,
      beat int8 NOT NULL,
      epoch int8 NOT NULL,
      bank_id bytea,
      closed_cleanly boolean NOT NULL
    )`,
    "INSERT INTO $.lease (id, beat, epoch, closed_cleanly) VALUES (1, 0, 0, true)",
    `CREATE TABLE $.batches (
      last_position int8 PRIMARY KEY,
      first_position int8 NOT NULL,
      previous_hash bytea NOT NULL,
      chain_hash bytea NOT NULL,
      frame bytea NOT NULL
    )`,
    `CREATE TABLE $.gap (
      id int2 PRIMARY KEY CHECK (id = 1),
      after_position int8 NOT NULL,
      up_to int8 NOT NULL,
      chain_hash bytea NOT NULL
    )`,
    `CREATE TABLE $.snapshots (
      position int8 PRIMARY KEY,
      header bytea NOT NULL,
      page_count int4 NOT NULL,
      shared bytea NOT NULL
    )`,
    `CREATE TABLE $.snapshot_pages (
      position int8 NOT NULL,
      page_number int4 NOT NULL,
      page bytea NOT NULL,
      PRIMARY KEY (position, page_number)
    )`,
    "CREATE TABLE $.shared_pages (hash bytea PRIMARY KEY, page bytea NOT NULL)",
  ],
];

/** Pages and frames do not compress: to try it takes longer than to write them. Not every server knows this. */
const STORAGE = [
  "ALTER TABLE $.batches ALTER COLUMN frame SET STORAGE EXTERNAL",
  "ALTER TABLE $.snapshot_pages ALTER COLUMN page SET STORAGE EXTERNAL",
  "ALTER TABLE $.shared_pages ALTER COLUMN page SET STORAGE EXTERNAL",
];

/** The layout that this program knows. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/** From which layout to which a schema was brought; 0 for one that was not there. */
export interface Migrated {
  readonly from: number;
  readonly to: number;
  /** For people: the place without user and password. */
  readonly place: string;
}

/**
 * Makes the tables of a bank, or brings them up to date; all or nothing for each version. Idempotent.
 * Rejects with: `StoreVersionError` where a newer program was here; `StoreError` where it cannot be done.
 */
export async function migrate(url: string): Promise<Migrated> {
  const place = parsePlace(url);
  let connection: Connection | undefined;
  try {
    connection = await connectToPrimary(place, { openConnection: Connection.open, deadlineMs: DEADLINE_MS });
    const from = await migrateWith(connection, place);
    return { from, to: SCHEMA_VERSION, place: place.name };
  } catch (error) {
    throw failure(error, `migrate ${place.name}`);
  } finally {
    await connection?.end();
  }
}

/**
 * Rejects with: `StoreError` where there are no tables yet, or older ones; `StoreVersionError` for newer ones; what `query`
 * rejects with.
 */
export async function requireSchema(connection: Connection, place: PostgresPlace): Promise<void> {
  const version = await readVersion(connection, place);
  if (version === SCHEMA_VERSION) return;
  if (version > SCHEMA_VERSION) throw newer(place, version);
  const found =
    version === 0 ? "has no tables of a bank yet" : `has layout ${version}, this program needs ${SCHEMA_VERSION}`;
  throw new StoreError(`${place.name} ${found}: run "bank-server migrate" with the same --store`);
}

async function migrateWith(connection: Connection, place: PostgresPlace): Promise<number> {
  const from = await readVersion(connection, place);
  if (from > SCHEMA_VERSION) throw newer(place, from);
  if (from === 0) await ignoring(UNIQUE_VIOLATION, () => connection.run(inSchema(place, FIRST)));
  for (let version = from; version < SCHEMA_VERSION; version++) {
    // The lock makes those who migrate at the same time wait for each other; the second finds the version raised.
    const steps = [...(MIGRATIONS[version] ?? []), `UPDATE $.bank_schema SET version = ${version + 1}`];
    await connection.run("BEGIN");
    try {
      const found = await connection.query({ name: "", text: inSchema(place, LOCK) });
      if (integer(found[0]?.[0], "version of the schema", 0) === version)
        for (const step of steps) await connection.run(inSchema(place, step));
      await connection.run("COMMIT");
    } catch (error) {
      await connection.run("ROLLBACK").catch(() => {
        // The first error says what there is to say.
      });
      throw error;
    }
  }
  if (from < SCHEMA_VERSION) for (const step of STORAGE) await ifSupported(() => connection.run(inSchema(place, step)));
  return from;
}

const FIRST = `
  CREATE SCHEMA IF NOT EXISTS $;
  CREATE TABLE IF NOT EXISTS $.bank_schema (id int2 PRIMARY KEY CHECK (id = 1), version int4 NOT NULL);
  INSERT INTO $.bank_schema (id, version) VALUES (1, 0) ON CONFLICT (id) DO NOTHING`;
const LOCK = "SELECT version::text FROM $.bank_schema WHERE id = 1 FOR UPDATE";

async function readVersion(connection: Connection, place: PostgresPlace): Promise<number> {
  const statement: Statement = {
    name: "bank_version",
    text: inSchema(place, "SELECT version FROM $.bank_schema WHERE id = 1"),
  };
  try {
    const rows = await connection.query(statement);
    return rows[0] === undefined ? 0 : integer(rows[0][0], "version of the schema", 0);
  } catch (error) {
    if (hasCode(error, UNDEFINED_TABLE, UNDEFINED_SCHEMA)) return 0;
    throw error;
  }
}

function newer(place: PostgresPlace, version: number): StoreVersionError {
  return new StoreVersionError(
    `${place.name} has layout ${version}, written by a newer program; this one knows layouts up to ${SCHEMA_VERSION}: ` +
      "use the newer program",
  );
}

function inSchema(place: PostgresPlace, text: string): string {
  return text.replaceAll("$", `"${place.schema}"`);
}

async function ignoring(code: string, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    // Another has made the same at the same moment.
    if (!hasCode(error, code)) throw error;
  }
}

async function ifSupported(act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!isServerError(error) || !["0A", "42"].includes(error.code.slice(0, 2))) throw error;
  }
}

import { StoreError, StoreVersionError } from "@bank/store/errors";
import {
  type Connection,
  hasCode,
  integer,
  isServerError,
  type PostgresPlace,
  UNDEFINED_SCHEMA,
  UNDEFINED_TABLE,
  UNIQUE_VIOLATION,
} from "@bank/store/postgres";
import { COMMENTS, MIGRATIONS } from "./layout.ts";
import { inSchema } from "./place.ts";

/** The layout that this program knows. */
export const REPORTS_LAYOUT = MIGRATIONS.length;

const DUPLICATE_SCHEMA = "42P06";

/**
 * Makes the tables, or brings them up to date; all or nothing for each layout. Idempotent.
 * Rejects with: `StoreVersionError` where a newer program was here; `StoreError` where the schema is a bank's own; what `query`
 * rejects with.
 */
export async function migrateReports(connection: Connection, place: PostgresPlace): Promise<void> {
  const from = await reportsLayout(connection, place);
  requireKnown(from, place);
  if (from === REPORTS_LAYOUT) return;
  if (from === 0) {
    await requireNoBank(connection, place);
    await begun(connection, place);
  }
  for (let layout = from; layout < REPORTS_LAYOUT; layout++) await migrateOnce(connection, place, layout);
  for (const comment of COMMENTS) await ifSupported(() => connection.run(inSchema(place, `COMMENT ON ${comment}`)));
}

/** Which layout is there; 0 for none. */
export async function reportsLayout(connection: Connection, place: PostgresPlace): Promise<number> {
  try {
    const text = inSchema(place, "SELECT layout FROM $.reports_layout WHERE id = 1");
    const rows = await connection.query({ name: "", text });
    return rows[0] === undefined ? 0 : integer(rows[0][0], "layout of the reports", 0);
  } catch (error) {
    if (hasCode(error, UNDEFINED_TABLE, UNDEFINED_SCHEMA)) return 0;
    throw error;
  }
}

/** Throws: `StoreVersionError` for a newer layout than this program's. */
export function requireKnown(layout: number, place: PostgresPlace): void {
  if (layout > REPORTS_LAYOUT)
    throw new StoreVersionError(
      `the reports in ${place.name} have layout ${layout}, written by a newer program; this one knows layouts up to ` +
        `${REPORTS_LAYOUT}: use the newer program, or let this one write to a schema of its own`,
    );
}

async function begun(connection: Connection, place: PostgresPlace): Promise<void> {
  const first = `
    CREATE SCHEMA IF NOT EXISTS "${place.schema}";
    CREATE TABLE IF NOT EXISTS $.reports_layout (id int2 PRIMARY KEY CHECK (id = 1), layout int4 NOT NULL);
    INSERT INTO $.reports_layout (id, layout) VALUES (1, 0) ON CONFLICT (id) DO NOTHING`;
  try {
    await connection.run(inSchema(place, first));
  } catch (error) {
    // Another has made the same at the same moment.
    if (!hasCode(error, UNIQUE_VIOLATION, DUPLICATE_SCHEMA)) throw error;
  }
}

async function migrateOnce(connection: Connection, place: PostgresPlace, layout: number): Promise<void> {
  await connection.run("BEGIN");
  try {
    // The lock makes those who migrate at the same time wait for each other; the second finds the layout raised.
    const lock = inSchema(place, "SELECT layout FROM $.reports_layout WHERE id = 1 FOR UPDATE");
    const found = await connection.query({ name: "", text: lock });
    if (integer(found[0]?.[0], "layout of the reports", 0) === layout) {
      for (const step of MIGRATIONS[layout] ?? []) await connection.run(inSchema(place, step));
      await connection.run(inSchema(place, `UPDATE $.reports_layout SET layout = ${layout + 1}`));
    }
    await connection.run("COMMIT");
  } catch (error) {
    await connection.run("ROLLBACK").catch(() => {
      // The first error says what there is to say.
    });
    throw error;
  }
}

/** So that nobody mixes up the two, and drops the journal with the reports. */
async function requireNoBank(connection: Connection, place: PostgresPlace): Promise<void> {
  const rows = await connection.query(
    {
      name: "",
      text: "SELECT 1 FROM information_schema.tables WHERE table_schema = $1 AND table_name = 'bank_schema'",
    },
    [place.schema],
  );
  if (rows.length > 0)
    throw new StoreError(`${place.name} is where a bank keeps its journal: name another schema for the reports`);
}

async function ifSupported(act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!isServerError(error) || !["0A", "42"].includes(error.code.slice(0, 2))) throw error;
  }
}

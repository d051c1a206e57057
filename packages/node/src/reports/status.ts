import { StoreError } from "@bank/store/errors";
import {
  type Connection,
  failure,
  hasCode,
  type PostgresPlace,
  UNDEFINED_SCHEMA,
  UNDEFINED_TABLE,
} from "@bank/store/postgres";
import { numberOf } from "./load-state.ts";
import { reportsLayout, requireKnown } from "./migrate-reports.ts";
import { connectTo, inSchema } from "./place.ts";
import type { ReportsHead } from "./projected-state.ts";
import { readHead } from "./report-tables.ts";

const DEADLINE_MS = 30_000;
/** The first layout that has `seen_at`. */
const SEEN_LAYOUT = 2;

/** How far tables are. */
export interface ReportsStatus {
  readonly head: ReportsHead;
  /** How far the journal was known to be committed when the writer was last seen. */
  readonly journalPosition: number;
  /** How long ago the writer last said that it follows a journal, by the database's clock; undefined where its layout is older. */
  readonly unseenMs: number | undefined;
}

/** Looks at the tables. Rejects with: `StoreError` where there are none; `StoreVersionError` for newer ones. */
export async function reportsStatus(place: PostgresPlace): Promise<ReportsStatus> {
  let connection: Connection | undefined;
  try {
    connection = await connectTo(place, DEADLINE_MS);
    const layout = await reportsLayout(connection, place);
    requireKnown(layout, place);
    const head = layout === 0 ? undefined : await readHead(connection, place);
    if (head === undefined) throw new StoreError(`there are no reports in ${place.name} yet`);
    const unseen =
      layout < SEEN_LAYOUT ? "NULL" : "greatest(0, extract(epoch FROM now() - seen_at) * 1000)::int8::text";
    const text = inSchema(place, `SELECT journal_position::text, ${unseen} FROM $.progress WHERE id = 1`);
    const [row] = await connection.query({ name: "", text });
    const [journalPosition, unseenMs] = row ?? [];
    return {
      head,
      journalPosition: numberOf(journalPosition),
      unseenMs: unseenMs === null ? undefined : numberOf(unseenMs),
    };
  } catch (error) {
    if (hasCode(error, UNDEFINED_TABLE, UNDEFINED_SCHEMA))
      throw new StoreError(`there are no reports in ${place.name}`);
    throw failure(error, `look at the reports in ${place.name}`);
  } finally {
    await connection?.end();
  }
}

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

/** How far tables are. */
export interface ReportsStatus {
  readonly head: ReportsHead;
  /** How far the journal was known to be committed when the tables were last written to. */
  readonly journalPosition: number;
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
    const text = inSchema(place, "SELECT journal_position::text FROM $.progress WHERE id = 1");
    const [row] = await connection.query({ name: "", text });
    return { head, journalPosition: numberOf(row?.[0]) };
  } catch (error) {
    if (hasCode(error, UNDEFINED_TABLE, UNDEFINED_SCHEMA))
      throw new StoreError(`there are no reports in ${place.name}`);
    throw failure(error, `look at the reports in ${place.name}`);
  } finally {
    await connection?.end();
  }
}

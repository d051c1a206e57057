import { Connection, connectToPrimary, type PostgresPlace, parsePlace } from "@bank/store/postgres";

/** The schema of the tables where the URL names none. A bank's own journal is in "bank". */
export const REPORTS_SCHEMA_DEFAULT = "bank_reports";

/** For the first answer of a server, where the URL does not say. */
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE?schema=bank_reports`, which may name several hosts of a cluster; every other
 * parameter is the client library's. Throws: `StoreError`, whose message does not repeat the URL: there may be a password in it.
 */
export function reportsPlace(text: string): PostgresPlace {
  const named = parsePlace(text);
  const [url = "", ...fragment] = text.split("#");
  if (/[?&]schema=/.test(url)) return named;
  const withSchema = `${url}${url.includes("?") ? "&" : "?"}schema=${REPORTS_SCHEMA_DEFAULT}`;
  return parsePlace([withSchema, ...fragment].join("#"));
}

/** A connection to the server of the place that takes writes. Rejects with: `NotSentError`; what `query` rejects with. */
export function connectTo(place: PostgresPlace, deadlineMs: number): Promise<Connection> {
  const { connectTimeoutMs = CONNECT_TIMEOUT_MS } = place;
  return connectToPrimary({ ...place, connectTimeoutMs }, { openConnection: Connection.open, deadlineMs });
}

/** SQL in which `$` before a dot stands for the schema. */
export function inSchema({ schema }: PostgresPlace, text: string): string {
  return text.replaceAll("$.", `"${schema}".`);
}

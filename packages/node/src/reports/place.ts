import { type PostgresPlace, parsePlace } from "@bank/store/postgres";

/** The schema of the tables where the URL names none. A bank's own journal is in "bank". */
export const REPORTS_SCHEMA_DEFAULT = "bank_reports";

/**
 * Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE?schema=bank_reports`; every other parameter is the client library's.
 * Throws: `StoreError`, whose message does not repeat the URL: there may be a password in it.
 */
export function reportsPlace(text: string): PostgresPlace {
  const named = parsePlace(text);
  const url = new URL(text);
  if (url.searchParams.has("schema")) return named;
  url.searchParams.set("schema", REPORTS_SCHEMA_DEFAULT);
  return parsePlace(url.href);
}

/** SQL in which `$` before a dot stands for the schema. */
export function inSchema({ schema }: PostgresPlace, text: string): string {
  return text.replaceAll("$.", `"${schema}".`);
}

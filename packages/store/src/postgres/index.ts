// @bank/store/postgres: connections to a PostgreSQL server as the engine makes them, for whoever keeps something else there
// than a journal.
export { bytea } from "./binary-arrays.ts";
export { integer, type Row, type Value } from "./columns.ts";
export { Connection, type Parameter, type Statement } from "./connection.ts";
export { type PostgresPlace, parsePlace } from "./place.ts";
export {
  failure,
  hasCode,
  isServerError,
  isTransient,
  NotSentError,
  saying,
  UNDEFINED_SCHEMA,
  UNDEFINED_TABLE,
  UNIQUE_VIOLATION,
} from "./postgres-errors.ts";
export { connectToPrimary } from "./primary.ts";

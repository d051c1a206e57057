/**
 * `@bank/node/reports`: plain SQL tables of a journal, in a PostgreSQL database. No server loads it: whoever writes the tables is a process
 * of its own. Everything exported here is public; other files are internal.
 */
export { DamagedReportsError, ReportsMismatchError, ReportsTakenError } from "./errors.ts";
export { REPORTS_SCHEMA_DEFAULT, reportsPlace } from "./place.ts";
export type { JournalPlace, JournalProof, JournalStep, ReportJournal } from "./report-journal.ts";
export { Reporter, type ReporterOptions } from "./reporter.ts";
export { ServedJournal } from "./served-journal.ts";
export { type ReportsStatus, reportsStatus } from "./status.ts";
export { StoredJournal } from "./stored-journal.ts";

/** What helps where tables are not those of a journal, or not whole. */
export const REBUILD = 'Tables are made anew from a journal by "bank-server reports rebuild"';

/** The tables and the journal are not of one history: only a rebuild helps. */
export class ReportsMismatchError extends Error {
  override readonly name = "ReportsMismatchError";
}

/** Another process has begun to write to the same tables. */
export class ReportsTakenError extends Error {
  override readonly name = "ReportsTakenError";
}

/** What the tables say contradicts itself, or the records that come: they were changed by somebody else, or are damaged. */
export class DamagedReportsError extends Error {
  override readonly name = "DamagedReportsError";
}

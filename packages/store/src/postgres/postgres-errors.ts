import {
  AppendRefusedError,
  AppendUnknownError,
  CorruptStoreError,
  StoreError,
  StoreFullError,
  UnsafeSettingsError,
} from "../errors.ts";

// The codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
export const UNDEFINED_TABLE = "42P01";
export const UNDEFINED_SCHEMA = "3F000";
export const UNIQUE_VIOLATION = "23505";
const SERIALIZATION_FAILURE = "40001";
const DEADLOCK_DETECTED = "40P01";
const STATEMENT_COMPLETION_UNKNOWN = "40003";
const QUERY_CANCELED = "57014";
const DISK_FULL = "53100";

/** What the server said of a statement that failed. */
interface ServerError extends Error {
  readonly code: string;
  readonly severity: string;
}

/** Nothing was sent, or nothing that commits: certainly nothing was stored. The cause says why. */
export class NotSentError extends Error {
  override readonly name = "NotSentError";
}

/** The connection broke, or the answer did not come in time: what was sent may have been done, or be done later. */
export class ConnectionLostError extends Error {
  override readonly name = "ConnectionLostError";
}

/** The server committed, and warned that a standby may not have it. */
export class CommitWarningError extends Error {
  override readonly name = "CommitWarningError";
}

/** Structurally, so that the client library need not be loaded. An error of a socket has a code too, but no severity. */
export function isServerError(error: unknown): error is ServerError {
  return (
    error instanceof Error &&
    "severity" in error &&
    "code" in error &&
    typeof error.code === "string" &&
    error.code.length === 5
  );
}

export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return isServerError(error) && codes.includes(error.code);
}

/** Whether the same statement may succeed when it is tried again at once. Certainly nothing was stored. */
export function isTransient(error: unknown): boolean {
  return hasCode(error, SERIALIZATION_FAILURE, DEADLOCK_DETECTED);
}

/**
 * Classes of errors with which a server refuses a statement while it runs, and then rolls it back: features, data,
 * constraints, transaction states, rights, names, conflicts, syntax, resources (a full disk), limits, locks.
 *
 * A full disk under the write-ahead log is none of them: it ends the server, and with it the connection.
 */
const REFUSALS = new Set(["0A", "22", "23", "25", "28", "2B", "3D", "3F", "40", "42", "53", "54", "55"]);

/**
 * Whether a statement that commits by itself, or a COMMIT, that failed so has certainly stored nothing. What is not known here
 * is in doubt: shutdowns (57P01 may come after the commit, from the wait for a standby), internal errors, I/O errors, and
 * 40003, by which distributed databases say that they do not know themselves.
 */
function storedNothing(error: ServerError): boolean {
  if (/^(FATAL|PANIC)/.test(error.severity)) return false;
  if (error.code === STATEMENT_COMPLETION_UNKNOWN) return false;
  return error.code === QUERY_CANCELED || REFUSALS.has(error.code.slice(0, 2));
}

/** What the caller of a write is told. A bug of the caller's stays what it is. */
export function writeFailure(error: unknown, what: string): unknown {
  // What was found of a server before anything was sent to it: behind the same name there may be the right one in a moment.
  const isBefore = error instanceof NotSentError || error instanceof UnsafeSettingsError;
  if (!isBefore && (error instanceof StoreError || error instanceof RangeError)) return error;
  if (isBefore || (isServerError(error) && storedNothing(error))) {
    const Refused = hasCode(error, DISK_FULL) ? StoreFullError : AppendRefusedError;
    return new Refused(`nothing was stored: cannot ${what}: ${saying(error)}`, { cause: error });
  }
  if (isServerError(error) || error instanceof ConnectionLostError || error instanceof CommitWarningError)
    return new AppendUnknownError(
      `it is not known whether this was stored: ${what}: ${saying(error)}; recover the store`,
      { cause: error },
    );
  return error;
}

/** What the caller of anything but a write is told. */
export function failure(error: unknown, what: string): unknown {
  if (error instanceof StoreError || error instanceof RangeError) return error;
  // data_corrupted and index_corrupted
  if (hasCode(error, "XX001", "XX002"))
    return new CorruptStoreError(`cannot ${what}: ${saying(error)}`, { cause: error });
  const isOurs = [NotSentError, ConnectionLostError, CommitWarningError].some((kind) => error instanceof kind);
  if (isOurs || isServerError(error)) return new StoreError(`cannot ${what}: ${saying(error)}`, { cause: error });
  return error;
}

export function saying(error: unknown): string {
  if (isServerError(error)) return `${error.message} (${error.code})`;
  // Where a name has several addresses, each with its own failure, the error around them says nothing.
  if (error instanceof AggregateError) return error.errors.map(saying).join("; ");
  if (error instanceof Error) return error.message === "" ? error.name : error.message;
  return String(error);
}

import { AppendRefusedError, AppendUnknownError, CorruptStoreError, StoreError, StoreFullError } from "../errors.ts";

// SQLite's primary result codes: https://www.sqlite.org/rescode.html
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const CORRUPT = 11;
const FULL = 13;
const TOOBIG = 18;
const NOTADB = 26;

/** The primary result code of an error that SQLite raised; undefined for any other error. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return undefined;
  return error.errcode & 0xff;
}

export function isBusy(error: unknown): boolean {
  const code = resultCode(error);
  return code === BUSY || code === LOCKED;
}

export function isFull(error: unknown): boolean {
  return resultCode(error) === FULL;
}

/**
 * Whether a COMMIT, or a statement that commits by itself, that failed so has certainly stored nothing.
 *
 * BUSY, LOCKED, READONLY and TOOBIG come before the first write. FULL may come from writing the log, but then the last
 * frame, the one that makes the transaction count, was not written whole: SQLite appends nothing behind it, because its
 * VFS takes a sector's neighbours to be safe when power is lost ("psow", the default everywhere). Everything else is
 * in doubt: an I/O error in fsync, but also the failure to grow the shared index, which comes after the fsync.
 */
function storedNothing(error: unknown): boolean {
  const code = resultCode(error);
  return code === FULL || code === BUSY || code === LOCKED || code === READONLY || code === TOOBIG;
}

/** What the caller of a write that failed while committing is told. */
export function commitFailure(error: unknown, what: string): unknown {
  if (resultCode(error) === undefined) return error;
  return storedNothing(error) ? refusal(error, what) : doubt(error, what);
}

/** Certainly nothing was stored. An error that is not SQLite's is a bug of the caller's and stays what it is. */
export function refusal(error: unknown, what: string): unknown {
  if (resultCode(error) === undefined) return error;
  const Refused = isFull(error) ? StoreFullError : AppendRefusedError;
  return new Refused(`nothing was stored: cannot ${what}: ${hint(error)}`, { cause: error });
}

/** Nobody knows what was stored. */
export function doubt(error: unknown, what: string): AppendUnknownError {
  return new AppendUnknownError(`it is not known whether this was stored: ${what}: ${hint(error)}; recover the store`, {
    cause: error,
  });
}

/** What the caller of anything but a write is told. */
export function failure(error: unknown, what: string): unknown {
  if (error instanceof StoreError) return error;
  const code = resultCode(error);
  if (code === CORRUPT || code === NOTADB || isOutOfRange(error)) {
    return new CorruptStoreError(`cannot ${what}: ${hint(error)}`, { cause: error });
  }
  return code === undefined ? error : new StoreError(`cannot ${what}: ${hint(error)}`, { cause: error });
}

/** node:sqlite's answer to a stored integer above 2^53: this engine never stores one. */
function isOutOfRange(error: unknown): boolean {
  return error instanceof RangeError && "code" in error && error.code === "ERR_OUT_OF_RANGE";
}

function hint(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  switch (resultCode(error)) {
    case FULL:
      return `${message} (make room, then try again)`;
    case BUSY:
    case LOCKED:
      return `${message} (another program has the file open: close it, then try again)`;
    default:
      return message;
  }
}

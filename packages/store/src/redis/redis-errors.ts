import {
  AppendRefusedError,
  AppendUnknownError,
  CorruptStoreError,
  LeaseLostError,
  StoreError,
  StoreFullError,
} from "../errors.ts";

/** The server's own answer to a command: it refuses it, or it failed. */
export class ServerError extends Error {
  override readonly name = "ServerError";
  /** The first word, such as "OOM". */
  get code(): string {
    return /^[A-Z]+/.exec(this.message)?.[0] ?? "";
  }
}

/** There is no connection, or it ended before the answer came: whether the command was carried out is not known. */
export class DisconnectedError extends Error {
  override readonly name = "DisconnectedError";
}

/** Said instead of carrying out a command, with what an operator may want to know of it. */
const REFUSALS: Readonly<Record<string, string>> = {
  OOM: "its memory is full (maxmemory): make room",
  MISCONF: "it takes no writes because it cannot save to its disk: see its log",
  NOREPLICAS: "it has fewer replicas than it is set to need (min-replicas-to-write)",
  LOADING: "it is still loading its data",
  BUSY: "it is busy with somebody's script",
  MASTERDOWN: "it is a replica that has lost its master",
  CLUSTERDOWN: "its cluster is down",
  MOVED: "it is a cluster, and another node has these keys: name that node",
  ASK: "it is a cluster, and these keys are being moved",
  TRYAGAIN: "it is a cluster, and these keys are being moved",
  NOAUTH: "it wants a user and a password",
  WRONGPASS: "it does not know this user and password",
  NOPERM: "its user may not do this",
  NOSCRIPT: "it has forgotten a script",
};

const IS_REPLICA = "it is a replica now: another server may have become the master, and another bank may write there";

/** Whether the server lacks the library, as after `FUNCTION FLUSH`. Certainly nothing was carried out. */
export function lacksLibrary(error: unknown): boolean {
  return error instanceof ServerError && /^ERR Function not found/.test(error.message);
}

/** The store's error for a write that failed, on its way or at the server. */
export function writeFailure(error: unknown, what: string): unknown {
  if (error instanceof DisconnectedError) return unknown(error, what);
  if (!(error instanceof ServerError)) return error;
  if (/WRONGTYPE/.test(error.message)) return wrongType(error, what);
  // What it says before it begins it may also say in the middle, and then what came before stays.
  if (/ script: .* on @/.test(error.message)) return unknown(error, what);
  if (error.code === "READONLY") return new LeaseLostError(`${what}: ${IS_REPLICA}`, { cause: error });
  const refusal = REFUSALS[error.code];
  const Refused = error.code === "OOM" ? StoreFullError : AppendRefusedError;
  if (refusal !== undefined || lacksLibrary(error))
    return new Refused(`${what}: nothing was stored: ${refusal ?? error.message}`, { cause: error });
  // What a later release says, perhaps: who does not know must not say that it knows.
  return unknown(error, what);
}

/** The store's error where a write was carried out, and the server was asked in vain how many replicas have it. */
export function replicationFailure(error: unknown, what: string): unknown {
  // Whatever it refuses is the question: the write is stored.
  return error instanceof DisconnectedError || error instanceof ServerError ? unknown(error, what) : error;
}

/** The store's error for a read, or an opening, that failed. */
export function readFailure(error: unknown, what: string): unknown {
  if (error instanceof DisconnectedError) return new StoreError(`cannot ${what}: ${error.message}`, { cause: error });
  if (!(error instanceof ServerError)) return error;
  if (/WRONGTYPE/.test(error.message)) return wrongType(error, what);
  const reason = error.code === "READONLY" ? IS_REPLICA : (REFUSALS[error.code] ?? error.message);
  return new StoreError(`cannot ${what}: the server says that ${reason}`, { cause: error });
}

function unknown(error: Error, what: string): AppendUnknownError {
  return new AppendUnknownError(`cannot tell whether it was stored: ${what}: ${error.message}`, { cause: error });
}

/** Before its first write a function looks at the types, and reads change nothing: certainly nothing was stored. */
function wrongType(error: ServerError, what: string): CorruptStoreError {
  return new CorruptStoreError(`${what}: one of the bank's keys is of another type than the bank made it`, {
    cause: error,
  });
}

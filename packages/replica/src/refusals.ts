import {
  type CommandHash,
  formatRequestId,
  type Ledger,
  type Position,
  type Refusal,
  RefusalError,
  type Request,
  toHex,
} from "@bank/core";
import { errorText, type Log } from "./platform.ts";

/** The error of a refusal that was made as data. */
export function refusalError(refusal: Refusal): RefusalError {
  const { reason, metadata, outcome, item, violations } = refusal;
  return new RefusalError(reason, metadata, outcome, { item, violations });
}

/** A request on which the ledger threw: the cause goes to the log, its number to the caller. */
export function internalError(log: Log, request: Request, cause: unknown): RefusalError {
  const incident = toHex(request.id.subarray(0, 8));
  log.error("a command failed inside the ledger", { incident, problem: errorText(cause) });
  return new RefusalError("INTERNAL", { incident }, "NOT_APPLIED", { cause });
}

/**
 * Whether what was answered under this id is the answer to this request too. A cancellation is answered by whatever
 * became of the id, and an id that was cancelled is so for everybody who comes with it.
 */
export function isAnsweredBy(ledger: Ledger, entry: number, { command }: Request, hash: CommandHash): boolean {
  const { requests } = ledger;
  return (
    command.kind === "cancelRequest" || requests.isCancelled(entry) || requests.hasHash(entry, hash.low, hash.high)
  );
}

/** Another request has this id. */
export function reused(request: Request, position: Position): RefusalError {
  return new RefusalError("REQUEST_ID_REUSED", {
    position: String(position),
    request_id: formatRequestId(request.id),
  });
}

/** The signal of a caller who waits for the journal aborted. */
export function deadlineExceeded(): RefusalError {
  return new RefusalError("DEADLINE_EXCEEDED", { waiting_for: "the journal" });
}

/** Fewer of the copies that count are connected than a write must be on. */
export function tooFewBranches(copies: number, connected: number): RefusalError {
  return new RefusalError("TOO_FEW_BRANCHES", {
    connected: String(connected),
    copies: String(copies),
    missing: String(copies - connected),
  });
}

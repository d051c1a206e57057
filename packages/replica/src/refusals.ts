import {
  type BranchNumber,
  type CommandHash,
  type FailureOutcome,
  formatRequestId,
  formatTime,
  type Ledger,
  type Position,
  type Refusal,
  RefusalError,
  type Request,
  TIME_MS_MAX,
  toHex,
} from "@bank/core";
import { type AppendRefusedError, StoreFullError } from "@bank/store/errors";
import type { Job } from "./job.ts";
import type { JobQueue } from "./job-queue.ts";
import { errorText, type Log } from "./platform.ts";

/** The error of a refusal that was made as data. */
export function refusalError(refusal: Refusal): RefusalError {
  const { reason, metadata, outcome, item, violations } = refusal;
  return new RefusalError(reason, metadata, outcome, { item, violations });
}

/** The store refused a batch. Why is for the log: it may name hosts and folders, which are no customer's business. */
export function storeRefusal(cause: AppendRefusedError): RefusalError {
  const reason = cause instanceof StoreFullError ? "STORE_FULL" : "STORE_REFUSED";
  return new RefusalError(reason, {}, "NOT_APPLIED", { cause });
}

/** What a request's answer depends on cannot be read any more. Where the damage is goes to the log. */
export function recordDamaged(log: Log, position: Position, outcome: FailureOutcome, cause: unknown): RefusalError {
  log.error("STORED RECORDS ARE DAMAGED: a request that needs them was refused", {
    position,
    outcome,
    problem: errorText(cause),
  });
  return new RefusalError("RECORD_DAMAGED", { position: String(position) }, outcome, { cause });
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

/** The signal of a caller aborted who waits for this. */
export function deadlineExceeded(waitingFor = "the journal"): RefusalError {
  return new RefusalError("DEADLINE_EXCEEDED", { waiting_for: waitingFor });
}

/**
 * Another server keeps the bank.
 *
 * @param leader where it can be reached, an URL; undefined where that is not known yet.
 */
export function notLeader(problem: string, leader: string | undefined): RefusalError {
  return new RefusalError("NOT_LEADER", {
    problem,
    leader: leader ?? "the one that does; its address is not known yet",
  });
}

/**
 * Fewer of the copies that count are connected than a write must be on.
 *
 * @param away the branches whose copies are not.
 */
export function tooFewBranches(copies: number, connected: number, away: readonly BranchNumber[]): RefusalError {
  return new RefusalError("TOO_FEW_BRANCHES", {
    away: branchesText(away),
    connected: String(connected),
    copies: String(copies),
    missing: String(copies - connected),
  });
}

/** As a refusal names them: "branches 1, 3". */
export function branchesText(branches: readonly BranchNumber[]): string {
  return `branch${branches.length === 1 ? "" : "es"} ${branches.join(", ")}`;
}

/** A moment that is not over yet. */
export function timeInFuture(askedMs: number, nowMs: number): RefusalError {
  const asked = formatTime(Math.min(askedMs, TIME_MS_MAX));
  return new RefusalError("TIME_IN_FUTURE", { asked, now: formatTime(nowMs) });
}

/**
 * The error for the caller of a job that, or the rest of which, will not be executed.
 *
 * @param queue the job is not in it, or not any more.
 */
export function refusalFor(ledger: Ledger, queue: JobQueue, job: Job, error: RefusalError): RefusalError {
  const { reason, metadata } = error.refusal;
  return new RefusalError(reason, metadata, failureOutcomeOf(ledger, queue, job), { cause: error });
}

/**
 * An id that the ledger knows was begun by an earlier try, and one that another try has that waits or runs may still move
 * money: then nobody may say that nothing was applied.
 */
function failureOutcomeOf(ledger: Ledger, queue: JobQueue, job: Job): FailureOutcome {
  if (job.next > 0) return "OUTCOME_UNKNOWN";
  for (let i = 0; i < job.count; i++)
    if (job.rememberedAt(ledger, i) >= 0 || queue.hasEntryOf(job, i)) return "OUTCOME_UNKNOWN";
  return "NOT_APPLIED";
}

import {
  BRANCH_STATE_WORDS,
  BranchState,
  type FailureOutcome,
  mergeSessions,
  RefusalError,
  type Session,
} from "@bank/core";
import { BranchService } from "@bank/proto";
import type { CallLimit, Consistency } from "@bank/replica";
import { CONSISTENCY_HEADER, decodeSession, formatConsistency, type ReadConsistency, readConsistency } from "@bank/rpc";
import type { HandlerContext } from "@connectrpc/connect";
import type { Teller } from "../teller.ts";

/** A state of the past, exactly as it stood at a position, or at the end of a millisecond of Unix time. */
export type AsOf = Extract<ReadConsistency, { mode: "position" | "time" }>;

/** What a call asks of the state that it is answered from, and until when. */
export interface AskedRead {
  /** All that a session saw which came along is in that state, in every mode but `local`. */
  readonly consistency: Consistency;
  readonly limit: CallLimit;
}

/** Likewise, of a call that the history can answer. */
export interface AskedOfPast extends AskedRead {
  /** undefined for the present; else the history must be asked, once a state is there as `consistency` says. */
  readonly asOf: AsOf | undefined;
  /** Whether the header asks for the past, and not only a field of the request. */
  readonly isByHeader: boolean;
}

/**
 * What a call's headers ask. Throws: `RefusalError` INVALID_REQUEST, SESSION_INVALID, DRAINING.
 *
 * @param floor what must be in that state in every mode.
 */
export function askedRead(teller: Teller, context: HandlerContext, floor?: Session): AskedRead {
  const { asked, session } = askedByHeaders(teller, context);
  if (isAsOf(asked)) {
    const { name } = context.method;
    const problem =
      `${name} cannot be read as of a ${asked.mode}, for only balances and transactions are kept of the past: leave ` +
      `${CONSISTENCY_HEADER}: ${asked.mode}=… out, or ask GetBalance, GetTransaction or ListTransactions`;
    throw new RefusalError("INVALID_REQUEST", { problem });
  }
  return { consistency: consistencyOf(asked, session, floor), limit: limitOf(context) };
}

/**
 * Likewise, where the call can be answered also as of a state of the past. A moment is over when this resolves.
 * Rejects with `RefusalError`, also TIME_IN_FUTURE, and with what kept time from passing.
 *
 * @param field what the request's own field asks for.
 */
export async function askedOfPast(
  teller: Teller,
  context: HandlerContext,
  { floor, field }: { readonly floor?: Session | undefined; readonly field?: AsOf | undefined } = {},
): Promise<AskedOfPast> {
  const { asked, session } = askedByHeaders(teller, context);
  const limit = limitOf(context);
  const isByHeader = isAsOf(asked);
  const asOf = isByHeader ? asked : field;
  if (isByHeader && field !== undefined && !isSame(asked, field))
    throw new RefusalError("INVALID_REQUEST", {
      problem: `as_of asks for ${formatConsistency(field)}, and ${CONSISTENCY_HEADER} for ${formatConsistency(asked)}: say one of them`,
    });
  // Nothing can be booked in that moment any more once journal time is behind it.
  const passed = asOf?.mode === "time" ? await teller.passTime(asOf.timeMs, limit) : 0;
  if (!isByHeader) return { consistency: consistencyOf(asked, session, floor), asOf, isByHeader, limit };
  const position = asked.mode === "position" ? asked.position : passed;
  return { consistency: { mode: "position", position, session: joined(session, floor) }, asOf, isByHeader, limit };
}

/**
 * A branch that is draining, or retired, takes no new calls of customers; who asks about branches is still answered.
 * Throws: `RefusalError` DRAINING.
 *
 * @param outcome of a write it is unknown, for an earlier try of the same request may have been carried out.
 */
export function requireOpen(teller: Teller, context: HandlerContext, outcome: FailureOutcome): void {
  if (teller.branch === 0 || context.service.typeName === BranchService.typeName) return;
  const state = teller.branchState();
  if (state === undefined || state === BranchState.ACTIVE) return;
  const metadata = { branch: String(teller.branch), state: BRANCH_STATE_WORDS[state] };
  throw new RefusalError("DRAINING", metadata, outcome);
}

/** How long a call may take that says nothing about it. */
const TIMEOUT_DEFAULT_MS = 30_000;
/** So much of the caller's time is left for the answer to reach it. */
const ANSWER_SHARE = 0.1;
const ANSWER_MAX_MS = 100;

/** Ends when the caller leaves, and a little before its deadline, so that what is said then still reaches it. */
export function limitOf(context: HandlerContext): CallLimit {
  const timeoutMs = timeoutOf(context);
  return { signal: endingWith(context.signal, timeoutMs), timeoutMs };
}

/** How long a call may take from now on, in whole milliseconds. */
export function timeoutOf(context: HandlerContext): number {
  const leftMs = context.timeoutMs() ?? TIMEOUT_DEFAULT_MS;
  return Math.max(1, Math.floor(leftMs - Math.min(ANSWER_MAX_MS, leftMs * ANSWER_SHARE)));
}

/** Aborts with the signal, or after this time. Nothing is left of it once the signal has aborted, as each call's does at its end. */
function endingWith(signal: AbortSignal, ms: number): AbortSignal {
  if (signal.aborted) return signal;
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(new DOMException("the call's time is over", "TimeoutError")), ms);
  timer.unref();
  const onAbort = () => {
    clearTimeout(timer);
    ending.abort(signal.reason);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  return ending.signal;
}

function askedByHeaders(
  teller: Teller,
  context: HandlerContext,
): { readonly asked: ReadConsistency; readonly session: Session | undefined } {
  requireOpen(teller, context, "NOT_APPLIED");
  const { consistency: asked, session: token } = readConsistency(context.requestHeader);
  return { asked, session: token === undefined ? undefined : decodeSession(token) };
}

function isAsOf(asked: ReadConsistency): asked is AsOf {
  return asked.mode === "position" || asked.mode === "time";
}

function isSame(a: AsOf, b: AsOf): boolean {
  return formatConsistency(a) === formatConsistency(b);
}

function consistencyOf(
  asked: Exclude<ReadConsistency, AsOf>,
  own: Session | undefined,
  floor: Session | undefined,
): Consistency {
  const session = joined(asked.mode === "local" ? undefined : own, floor);
  switch (asked.mode) {
    case "linearizable":
      return { mode: "linearizable", session };
    case "bounded":
      return { mode: "bounded", maxStalenessMs: asked.maxStalenessMs, session };
    default:
      // Also a local read of a later page: it is never of an older state than the first, wherever it is read.
      return session === undefined ? { mode: "local" } : { mode: "session", session };
  }
}

function joined(session: Session | undefined, floor: Session | undefined): Session | undefined {
  return session === undefined || floor === undefined ? (session ?? floor) : mergeSessions(session, floor);
}

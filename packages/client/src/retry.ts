import { setTimeout as delay } from "node:timers/promises";
import { RefusalError } from "@bank/core";
import { type AttemptFailure, attemptFailure } from "./attempt-failure.ts";
import { BankError } from "./bank-error.ts";
import type { Server } from "./connections.ts";
import type { BudgetedCall, RetryBudget } from "./retry-budget.ts";
import type { Route, ServerPool } from "./server-pool.ts";

/** Waits between tries: doubling from the smallest to the largest, each shortened by chance by up to a half. */
export interface RetryPolicy {
  readonly delayMinMs: number;
  readonly delayMaxMs: number;
  readonly budget: RetryBudget;
  /** Told of every failed try that is followed by another. */
  readonly onRetry: ((retry: RetryNotice) => void) | undefined;
}

/** A try failed, and the next one comes. */
export interface RetryNotice {
  /** The URL that was called. */
  readonly server: string;
  /** The URL that is called next; the same, where there is no other or it would say no other. */
  readonly nextServer: string;
  /** How many tries there have been. */
  readonly attempts: number;
  readonly reason: string;
  readonly message: string;
  readonly requestId: string | undefined;
  /** How long it waits before, unless the budget of retries makes it wait longer. */
  readonly delayMs: number;
}

export interface RetriedCall {
  readonly pool: ServerPool;
  readonly policy: RetryPolicy;
  /** How long all tries together may take. */
  readonly timeoutMs: number;
  /** Ends the call. Its reason is what becomes of it: `EndedCall`. */
  readonly signal: AbortSignal;
  /** False for reads and previews, which never leave an effect in doubt. */
  readonly mutates: boolean;
  /** Of a mutation with one, or its preview; a batch has one for each item. */
  readonly requestId?: string | undefined;
}

/** One try. `timeoutMs` is how much of the time that is left it may take, at least 1. */
export type Attempt<T> = (call: {
  readonly server: Server;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}) => Promise<T>;

/** Why the SDK ends a call by itself. */
export class EndedCall extends Error {
  override readonly name = "EndedCall";
  readonly reason: "CANCELED" | "CLIENT_CLOSED";

  constructor(reason: EndedCall["reason"], options?: ErrorOptions) {
    super(reason === "CANCELED" ? "the call was canceled" : "the client was closed", options);
    this.reason = reason;
  }
}

/**
 * Tries until there is an answer that counts, or the time is up: at once at another server where that may help, and
 * behind growing waits once all were asked.
 * Rejects with: `BankError`, whose outcome takes every try into account.
 */
export async function withRetries<T>(call: RetriedCall, attempt: Attempt<T>): Promise<T> {
  const history = new AttemptHistory(call);
  let answered = false;
  try {
    for (;;) {
      if (call.signal.aborted) throw history.ended();
      history.attempts++;
      try {
        const value = await attempt(history.begin());
        history.route.answered();
        answered = true;
        return value;
      } catch (error) {
        const failure = attemptFailure(error, history.route.server.url);
        // An answer that came while the call was being ended is an answer all the same.
        if (call.signal.aborted && failure.outcome === "OUTCOME_UNKNOWN") throw history.ended(error);
        const delayMs = history.add(failure);
        answered = !failure.retryable;
        if (delayMs === undefined) throw history.error();
        await history.wait(delayMs);
      }
    }
  } finally {
    call.policy.budget.end(history.budgeted, answered);
  }
}

/** What became of the tries of one call so far. */
class AttemptHistory {
  attempts = 0;
  readonly route: Route;
  readonly budgeted: BudgetedCall;
  private readonly call: RetriedCall;
  private readonly deadlineMs: number;
  private nextDelayMs: number;
  private last: AttemptFailure | undefined;
  private beforeLast: AttemptFailure | undefined;
  /** The URL that the last failure is of. */
  private lastServer = "";
  /** Whether a server of this round may answer otherwise when it is asked again. */
  private mayPass = false;
  /** Why the other servers gave no answer that counts, the latest of each. */
  private readonly reasons = new Map<string, string>();
  /** Once a try may have had an effect, only an answer of the bank to the same id can say what became of it. */
  private unknown = false;

  constructor(call: RetriedCall) {
    this.call = call;
    this.route = call.pool.begin();
    this.budgeted = call.policy.budget.begin();
    this.deadlineMs = performance.now() + call.timeoutMs;
    this.nextDelayMs = call.policy.delayMinMs;
  }

  /** The next try. */
  begin(): Parameters<Attempt<unknown>>[0] {
    const { route, call } = this;
    return { server: route.server, timeoutMs: route.timeoutMs(this.remainingMs()), signal: call.signal };
  }

  /** Takes a failed try. Gives how long to wait before the next one; undefined when there should be none. */
  add(failure: AttemptFailure): number | undefined {
    const { route, call } = this;
    const server = route.server.url;
    this.beforeLast = this.last;
    this.last = failure;
    this.lastServer = server;
    this.reasons.set(server, failure.reason);
    if (failure.outcome === "OUTCOME_UNKNOWN") this.unknown = true;
    this.mayPass ||= failure.retryable;
    if (failure.elsewhere !== undefined) route.failed(failure.elsewhere);
    // What was refused here says nothing about the server.
    else if (!(failure.cause instanceof RefusalError)) route.answered();
    const delayMs = this.goOn(failure);
    if (delayMs === undefined || performance.now() + delayMs >= this.deadlineMs) return undefined;
    const { reason, message } = failure;
    const { attempts } = this;
    const { requestId } = call;
    call.policy.onRetry?.({ server, nextServer: route.server.url, attempts, reason, message, requestId, delayMs });
    return delayMs;
  }

  /** Rejects with `BankError` when the call is ended meanwhile, or its time is up. */
  async wait(delayMs: number): Promise<void> {
    const { signal, policy } = this.call;
    try {
      await delay(delayMs, undefined, { signal });
    } catch {
      // Only the signal ends the wait early, and `ended` says why.
      throw this.ended();
    }
    const timeUp = new AbortController();
    // Whoever is let go in the last moment could only be sent for nothing, one behind the other.
    const timer = setTimeout(() => timeUp.abort(), Math.max(1, this.remainingMs() - policy.delayMinMs));
    try {
      if (await policy.budget.admit(this.budgeted, AbortSignal.any([signal, timeUp.signal]))) return;
    } finally {
      clearTimeout(timer);
    }
    throw signal.aborted ? this.ended() : this.error();
  }

  /** The call was ended from outside. `duringAttempt` is what the try that was under way ended with, if one was. */
  ended(duringAttempt?: unknown): BankError {
    if (duringAttempt !== undefined) this.unknown = true;
    const end: unknown = this.call.signal.reason;
    const reason = end instanceof EndedCall ? end.reason : "CANCELED";
    const words = reason === "CANCELED" ? "The call was canceled" : "The client was closed";
    const { url } = this.route.server;
    return this.toBankError({
      code: "CANCELED",
      reason,
      message: `${words} before ${url} had answered.`,
      metadata: { server: url },
      cause: duringAttempt ?? this.last?.cause ?? end,
    });
  }

  /** The error of the whole call, after its last try. */
  error(): BankError {
    const { last, beforeLast } = this;
    if (last === undefined) throw new Error("no try has failed");
    // A try that had no time left says less than the one before it.
    const hint =
      last.reason === "DEADLINE_EXCEEDED" && beforeLast !== undefined ? ` Before: ${beforeLast.message}` : "";
    return this.toBankError({ ...last, message: last.message + hint + this.othersText() });
  }

  /** In whole milliseconds, at least 1: the smallest timeout that gRPC can say. */
  private remainingMs(): number {
    return Math.max(1, Math.floor(this.deadlineMs - performance.now()));
  }

  /** Chooses whom to ask next, and how long to wait before. */
  private goOn({ elsewhere, retryable }: AttemptFailure): number | undefined {
    const { route, call } = this;
    const { delayMinMs, delayMaxMs } = call.policy;
    if (elsewhere !== undefined && route.hasOther) {
      route.goOn();
      // Whoever lost the same server goes to the same other: not all in the same moment.
      return Math.random() * delayMinMs;
    }
    if (elsewhere === undefined ? !retryable : !(this.mayPass && route.again())) return undefined;
    this.mayPass = false;
    const delayMs = this.nextDelayMs * (1 - Math.random() / 2);
    this.nextDelayMs = Math.min(this.nextDelayMs * 2, delayMaxMs);
    return delayMs;
  }

  private othersText(): string {
    return othersText(this.reasons, this.lastServer);
  }

  private toBankError(failure: Omit<AttemptFailure, "outcome" | "retryable">): BankError {
    const { requestId } = this.call;
    const outcome = this.outcome();
    const metadata = { ...failure.metadata, outcome, ...(requestId === undefined ? {} : { request_id: requestId }) };
    return new BankError({ ...failure, metadata, outcome, requestId, attempts: this.attempts });
  }

  private outcome(): AttemptFailure["outcome"] {
    if (!this.call.mutates) return "NOT_APPLIED";
    if (this.last?.outcome === "REJECTED") return "REJECTED";
    return this.unknown ? "OUTCOME_UNKNOWN" : "NOT_APPLIED";
  }
}

/** What the message of a call that ended at one server says of the others that it asked: the latest reason of each. */
export function othersText(reasons: ReadonlyMap<string, string>, endedAt: string): string {
  const others = [...reasons].filter(([server]) => server !== endedAt);
  if (others.length === 0) return "";
  return ` Other servers: ${others.map(([server, reason]) => `${server} ${reason}`).join(", ")}.`;
}

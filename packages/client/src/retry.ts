import { setTimeout as delay } from "node:timers/promises";
import { type AttemptFailure, attemptFailure } from "./attempt-failure.ts";
import { BankError } from "./bank-error.ts";

/** Waits between tries: doubling from the smallest to the largest, each shortened by chance by up to a half. */
export interface RetryPolicy {
  readonly delayMinMs: number;
  readonly delayMaxMs: number;
  /** Told of every failed try that is followed by another. */
  readonly onRetry: ((retry: RetryNotice) => void) | undefined;
}

/** A try failed, and the next one comes. */
export interface RetryNotice {
  /** The URL that was called. */
  readonly server: string;
  /** How many tries there have been. */
  readonly attempts: number;
  readonly reason: string;
  readonly message: string;
  readonly requestId: string | undefined;
  readonly delayMs: number;
}

export interface RetriedCall {
  readonly server: string;
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

/** One try. `timeoutMs` is what is left of the time, at least 1. */
export type Attempt<T> = (call: { readonly timeoutMs: number; readonly signal: AbortSignal }) => Promise<T>;

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
 * Tries until there is an answer that counts, or the time is up.
 * Rejects with: `BankError`, whose outcome takes every try into account.
 */
export async function withRetries<T>(call: RetriedCall, attempt: Attempt<T>): Promise<T> {
  const history = new AttemptHistory(call);
  for (;;) {
    if (call.signal.aborted) throw history.ended();
    history.attempts++;
    try {
      return await attempt({ timeoutMs: history.remainingMs(), signal: call.signal });
    } catch (error) {
      const failure = attemptFailure(error, call.server);
      // An answer that came while the call was being ended is an answer all the same.
      if (call.signal.aborted && failure.outcome === "OUTCOME_UNKNOWN") throw history.ended(error);
      const delayMs = history.add(failure);
      if (delayMs === undefined) throw history.error();
      await history.wait(delayMs);
    }
  }
}

/** What became of the tries of one call so far. */
export class AttemptHistory {
  attempts = 0;
  private readonly call: RetriedCall;
  private readonly deadlineMs: number;
  private nextDelayMs: number;
  private last: AttemptFailure | undefined;
  private beforeLast: AttemptFailure | undefined;
  /** Once a try may have had an effect, only an answer of the bank to the same id can say what became of it. */
  private unknown = false;

  constructor(call: RetriedCall) {
    this.call = call;
    this.deadlineMs = performance.now() + call.timeoutMs;
    this.nextDelayMs = call.policy.delayMinMs;
  }

  /** In whole milliseconds, at least 1: the smallest timeout that gRPC can say. */
  remainingMs(): number {
    return Math.max(1, Math.floor(this.deadlineMs - performance.now()));
  }

  /** Takes a failed try. Gives how long to wait before the next one; undefined when there should be none. */
  add(failure: AttemptFailure): number | undefined {
    this.beforeLast = this.last;
    this.last = failure;
    if (failure.outcome === "OUTCOME_UNKNOWN") this.unknown = true;
    if (!failure.retryable) return undefined;
    const { policy, server, requestId } = this.call;
    const delayMs = this.nextDelayMs * (1 - Math.random() / 2);
    if (performance.now() + delayMs >= this.deadlineMs) return undefined;
    this.nextDelayMs = Math.min(this.nextDelayMs * 2, policy.delayMaxMs);
    const { reason, message } = failure;
    policy.onRetry?.({ server, attempts: this.attempts, reason, message, requestId, delayMs });
    return delayMs;
  }

  /** Rejects with `BankError` when the call is ended meanwhile. */
  async wait(delayMs: number): Promise<void> {
    try {
      await delay(delayMs, undefined, { signal: this.call.signal });
    } catch {
      // Only the signal ends the wait early, and `ended` says why.
      throw this.ended();
    }
  }

  /** The call was ended from outside. `duringAttempt` is what the try that was under way ended with, if one was. */
  ended(duringAttempt?: unknown): BankError {
    if (duringAttempt !== undefined) this.unknown = true;
    const end: unknown = this.call.signal.reason;
    const reason = end instanceof EndedCall ? end.reason : "CANCELED";
    const words = reason === "CANCELED" ? "The call was canceled" : "The client was closed";
    return this.toBankError({
      code: "CANCELED",
      reason,
      message: `${words} before ${this.call.server} had answered.`,
      metadata: { server: this.call.server },
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
    return this.toBankError({ ...last, message: last.message + hint });
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

import type { CallLimit } from "@bank/replica";
import { Bag } from "@bank/rpc";
import type { HandlerContext } from "@connectrpc/connect";
import { limitOf, timeoutOf } from "./asked-read.ts";

/** Whoever leaves, or whose deadline passes, is noticed so late. Most calls are over before. */
const PATIENCE_MS = 20;

/** Calls that nobody watches yet. */
class Unwatched {
  private readonly limits = new Bag<PatientLimit>();
  private isLooking = false;

  add(limit: PatientLimit): void {
    this.limits.add(limit);
    this.lookLater();
  }

  delete(limit: PatientLimit): void {
    this.limits.delete(limit);
  }

  private lookLater(): void {
    if (this.isLooking) return;
    this.isLooking = true;
    setTimeout(() => this.look(), PATIENCE_MS).unref();
  }

  private look(): void {
    this.isLooking = false;
    const oldMs = performance.now() - PATIENCE_MS;
    for (const limit of this.limits.filter(({ sinceMs }) => sinceMs <= oldMs)) limit.watch();
    if (this.limits.size > 0) this.lookLater();
  }
}

const unwatched = new Unwatched();

/**
 * As `limitOf`, for calls that come in great numbers and are over soon: neither the caller nor the clock is watched before
 * the call has taken a while. `over` must be called at its end.
 */
export class PatientLimit implements CallLimit {
  readonly timeoutMs: number;
  readonly sinceMs = performance.now();
  /** Among those that nobody watches. */
  place: number | undefined = undefined;
  private readonly context: HandlerContext;
  private readonly controller = new AbortController();

  constructor(context: HandlerContext) {
    this.context = context;
    this.timeoutMs = timeoutOf(context);
    // A short deadline is met to the millisecond.
    if (this.timeoutMs <= 2 * PATIENCE_MS) {
      this.watch();
      return;
    }
    unwatched.add(this);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** The call is answered. Idempotent. */
  over(): void {
    unwatched.delete(this);
  }

  /**
   * @internal From now on it ends with the caller, and with its time. Nothing is left of that once the signal of the context has
   * aborted, as each call's does at its end.
   */
  watch(): void {
    unwatched.delete(this);
    const { signal } = limitOf(this.context);
    const end = () => this.controller.abort(signal.reason);
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  }
}

/** Retries that a new client may make before it has made many calls. */
const TOKENS_AT_FIRST = 10;
/** What each call adds: retries are a fifth of all calls in the long run. */
const TOKENS_PER_CALL = 0.2;
/** More are not saved up for later. */
const TOKENS_MAX = 100;
/** How many calls may go ahead of the line together, at the most. */
const SCOUTS_MAX = 64;

/** A call as its budget sees it. */
export interface BudgetedCall {
  /** It goes ahead of the line, without a token, to see whether a try gets an answer again. */
  isScout: boolean;
}

interface Waiting {
  readonly call: BudgetedCall;
  readonly go: () => void;
}

/**
 * Keeps retries from multiplying the load of servers that fail. One for all clients of a `connectBank`.
 *
 * Every call puts a fifth of a token into a bucket, and every retry takes a whole one. A call that finds none waits in
 * line, so that what it ends with at its deadline is still known; it is not sent meanwhile. One call goes ahead of the line
 * without a token: so a call that is alone tries until its deadline, and somebody always finds out when the servers are
 * back. Each answer that such a scout gets lets twice as many go, each failure only one again: so the line is let go
 * faster and faster, and never all at once.
 */
export class RetryBudget {
  private tokens = TOKENS_AT_FIRST;
  private scouts = 0;
  private scoutsMax = 1;
  private readonly line: Waiting[] = [];

  /** A new call is made. */
  begin(): BudgetedCall {
    this.tokens = Math.min(TOKENS_MAX, this.tokens + TOKENS_PER_CALL);
    this.advance();
    return { isScout: false };
  }

  /** A try failed, and another is wanted. Resolves once it may be made; false when `signal` ended the wait before. */
  async admit(call: BudgetedCall, signal: AbortSignal): Promise<boolean> {
    if (call.isScout) {
      this.scoutsMax = 1;
      if (this.scouts === 1) return true;
      this.scouts--;
      call.isScout = false;
    }
    if (this.line.length === 0 && this.grant(call)) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiting: Waiting = { call, go: () => resolve(true) };
    const leave = () => {
      const at = this.line.indexOf(waiting);
      if (at !== -1) this.line.splice(at, 1);
      resolve(false);
    };
    if (signal.aborted) return false;
    signal.addEventListener("abort", leave, { once: true });
    this.line.push(waiting);
    try {
      return await promise;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  /** The call has ended. `answered`: not because its last try failed in a way that may pass. */
  end(call: BudgetedCall, answered: boolean): void {
    if (!call.isScout) return;
    call.isScout = false;
    this.scouts--;
    this.scoutsMax = answered && this.line.length > 0 ? Math.min(SCOUTS_MAX, this.scoutsMax * 2) : 1;
    this.advance();
  }

  private advance(): void {
    for (let next = this.line[0]; next !== undefined && this.grant(next.call); next = this.line[0]) {
      this.line.shift();
      next.go();
    }
  }

  private grant(call: BudgetedCall): boolean {
    if (this.tokens >= 1) {
      this.tokens--;
      return true;
    }
    if (this.scouts >= this.scoutsMax) return false;
    this.scouts++;
    call.isScout = true;
    return true;
  }
}

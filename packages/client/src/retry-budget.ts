/** Calls whose shares make one retry: retries are a fifth of all calls in the long run. */
const CALLS_PER_RETRY = 5;
/** Retries that a new client may make before it has made many calls. */
const RETRIES_AT_FIRST = 10;
/** No more are saved up for later. */
const RETRIES_SAVED_MAX = 100;
/** How many calls may go ahead of the line together, at the most. */
const SCOUTS_MAX = 64;

/** A call as its budget sees it. */
export interface BudgetedCall {
  /** It goes ahead of the line, for nothing, to see whether a try gets an answer again. */
  isScout: boolean;
}

interface Waiting {
  readonly call: BudgetedCall;
  readonly go: () => void;
}

/**
 * Keeps retries from multiplying the load of servers that fail. One for all clients of a `connectBank`.
 *
 * Every call adds its share, a fifth of a retry, and every retry takes a whole one: 10 at first, 100 saved at the most.
 * A call that finds none waits in line; it is not sent meanwhile. One call goes ahead of the line for nothing: so a call that is alone tries until its deadline, and somebody always finds out when the servers are
 * back. Each answer that such a scout gets lets twice as many go, each failure only one again: so the line is let go
 * faster and faster, and never all at once.
 */
export class RetryBudget {
  /** Shares that calls have added, and retries have not taken. */
  private shares = RETRIES_AT_FIRST * CALLS_PER_RETRY;
  private scouts = 0;
  private scoutsMax = 1;
  private readonly line: Waiting[] = [];

  /** A new call is made. */
  begin(): BudgetedCall {
    this.shares = Math.min(RETRIES_SAVED_MAX * CALLS_PER_RETRY, this.shares + 1);
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
    if (this.shares >= CALLS_PER_RETRY) {
      this.shares -= CALLS_PER_RETRY;
      return true;
    }
    if (this.scouts >= this.scoutsMax) return false;
    this.scouts++;
    call.isScout = true;
    return true;
  }
}

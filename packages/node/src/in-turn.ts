import { Backoff, errorText, mayPass, type Platform } from "@bank/replica";
import { AppendUnknownError, StoreLockedError } from "@bank/store/errors";

/** Between two looks at who has the lease. A look itself takes until the holder's next sign of life. */
const LOOK_AGAIN_MIN_MS = 100;
const LOOK_AGAIN_MAX_MS = 1_000;

const NEVER = new AbortController().signal;

export interface InTurnOptions {
  readonly platform: Platform;
  /** Told after each look who has it, an URL; undefined where that is not known. What it rejects with ends the wait. */
  readonly onLeader: (leader: string | undefined) => Promise<void>;
  /** Ends the wait: it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens what another server may have on lease. While it has, waits for its turn, a cold standby: each try watches for a while whether the
 * holder still lives, and takes over where it does not. Once it waits, it also waits while the store cannot be
 * reached, or its server is one that is refused, as a standby is in the middle of a failover. An epoch whose beginning is in doubt, because the
 * connection broke in the middle, is one more try: the next begins by looking at what there is.
 * Rejects as `open` does otherwise: also with `StoreLockedError`, where nothing says that the one who has it may be waited for.
 */
export async function inTurn<T>(
  open: () => Promise<T>,
  { platform, onLeader, signal = NEVER }: InTurnOptions,
): Promise<T> {
  const { log } = platform;
  const backoff = new Backoff(platform, { minMs: LOOK_AGAIN_MIN_MS, maxMs: LOOK_AGAIN_MAX_MS });
  /** What was logged last. */
  let told: string | undefined;
  for (;;) {
    try {
      return await open();
    } catch (error) {
      signal.throwIfAborted();
      const isLeased = error instanceof StoreLockedError && error.isLeased;
      const isAway = told !== undefined && (mayPass(error) || error instanceof AppendUnknownError);
      if (!isLeased && !isAway) throw error;
      const problem = errorText(error);
      if (isLeased) backoff.reset();
      if (problem !== told && isLeased)
        log.info("another bank server keeps the bank; waiting for its turn", {
          leader: error.holder ?? "not known yet",
          problem,
        });
      else if (problem !== told) log.warn("the store cannot be used; waiting for it", { problem });
      told = problem;
      if (isLeased) await onLeader(error.holder);
      await backoff.wait(signal);
    }
  }
}

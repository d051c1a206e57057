import type { Position } from "@bank/core";
import type { FrameReader } from "@bank/journal";
import type { JournalStore } from "@bank/store";
import type { Appender } from "./appender.ts";
import { Backoff } from "./backoff.ts";
import { errorText, type Platform } from "./platform.ts";
import { readFrameAt } from "./stored-records.ts";

const READ_RETRY_MIN_MS = 20;
const READ_RETRY_MAX_MS = 1_000;

export interface PatientReadOptions {
  readonly store: JournalStore;
  readonly platform: Platform;
  readonly appender: Pick<Appender, "settled" | "doubtCount">;
  /** Aborts when the bank is told to stop: then the next try is the last. */
  readonly giveUp: AbortSignal;
  /** Whether the failure may pass, and somebody still wants what is read. */
  readonly isWaitedFor: (error: unknown) => boolean;
}

/**
 * Reads a stored batch; not while an append is in doubt, when the store may be closed for a moment. A store that several servers
 * reach may be away, which is waited for until the bank is told to stop.
 */
export async function readFramePatiently(
  position: Position,
  { store, platform, appender, giveUp, isWaitedFor }: PatientReadOptions,
): Promise<FrameReader> {
  const backoff = new Backoff(platform, { minMs: READ_RETRY_MIN_MS, maxMs: READ_RETRY_MAX_MS });
  for (;;) {
    const doubts = await appender.settled();
    try {
      return await readFrameAt({ store, platform }, position);
    } catch (error) {
      if (doubts !== appender.doubtCount) continue;
      if (giveUp.aborted || !isWaitedFor(error)) throw error;
      platform.log.warn("the store cannot be read; trying again", { position, problem: errorText(error) });
      await backoff.wait(giveUp).catch(() => {
        // Told to stop: the next try is the last.
      });
    }
  }
}

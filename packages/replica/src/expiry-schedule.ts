import type { Ledger } from "@bank/core";
import { Alarm } from "./alarm.ts";
import { Backoff } from "./backoff.ts";
import type { Platform } from "./platform.ts";

/** When the store refused to take the end of holds, it is tried again after so long. */
const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 10_000;

export interface ExpiryScheduleOptions {
  readonly ledger: Pick<Ledger, "nextExpiryMs">;
  readonly platform: Platform;
  /** Journal time, Unix milliseconds. */
  readonly nowMs: () => number;
  /** Whether the bank may write by itself: it has begun its epoch, and was not told to stop. */
  readonly mayWrite: () => boolean;
  /** Called when it is time to look whether a hold is due. */
  readonly onRing: () => void;
}

/**
 * Says when holds have to be ended although nobody asks anything. Whatever is written for callers ends due holds too;
 * this is for a bank that is idle.
 */
export class ExpirySchedule {
  private readonly options: ExpiryScheduleOptions;
  private readonly alarm: Alarm;
  private readonly backoff: Backoff;
  /** The store did not take the newest batch: only the alarm, or a caller, has it try again. */
  private isRefused = false;

  constructor(options: ExpiryScheduleOptions) {
    this.options = options;
    this.backoff = new Backoff(options.platform, { minMs: RETRY_MIN_MS, maxMs: RETRY_MAX_MS });
    this.alarm = new Alarm(options.platform, () => {
      this.isRefused = false;
      options.onRing();
    });
  }

  /** Whether a batch is to be written now, if only to end holds. */
  isDue(): boolean {
    const nextMs = this.nextMs();
    return nextMs !== undefined && !this.isRefused && nextMs <= this.options.nowMs();
  }

  /** The bank has nothing to do: it is woken when the next open hold has to end, or when it is worth another try. */
  sleep(): void {
    const nextMs = this.nextMs();
    if (nextMs === undefined) {
      this.alarm.cancel();
    } else if (this.isRefused) {
      this.alarm.cancel();
      this.alarm.ringWithin(this.backoff.next());
    } else {
      this.alarm.ringWithin(nextMs - this.options.nowMs());
    }
  }

  /** The store took a batch. */
  committed(): void {
    this.isRefused = false;
    this.backoff.reset();
  }

  /** The store refused a batch. */
  refused(): void {
    this.isRefused = true;
  }

  /** Nothing wakes the bank any more, and no timer is left behind. */
  cancel(): void {
    this.alarm.cancel();
  }

  private nextMs(): number | undefined {
    return this.options.mayWrite() ? this.options.ledger.nextExpiryMs() : undefined;
  }
}

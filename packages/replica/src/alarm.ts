import type { Platform } from "./platform.ts";

/** A single wait is not longer: clocks are looked at again now and then, and no timer of any platform ends too early. */
export const ALARM_WAIT_MAX_MS = 60_000;

/** Rings once, at some time or earlier: whoever is woken looks whether it is time, and sets it again. */
export class Alarm {
  private readonly platform: Pick<Platform, "delay" | "monotonicMs">;
  private readonly onRing: () => void;
  private set: { readonly atMs: number; readonly cancelled: AbortController } | undefined;

  constructor(platform: Pick<Platform, "delay" | "monotonicMs">, onRing: () => void) {
    this.platform = platform;
    this.onRing = onRing;
  }

  /** Sees to it that it rings after this time at the latest; at least a millisecond. */
  ringWithin(ms: number): void {
    const waitMs = Math.min(Math.max(ms, 1), ALARM_WAIT_MAX_MS);
    const atMs = this.platform.monotonicMs() + waitMs;
    // One that rings too early costs less than a new timer after every batch.
    if (this.set !== undefined && this.set.atMs <= atMs) return;
    this.cancel();
    const set = { atMs, cancelled: new AbortController() };
    this.set = set;
    this.platform.delay(waitMs, set.cancelled.signal).then(
      () => {
        // It may have been cancelled between the end of the wait and this.
        if (this.set !== set) return;
        this.set = undefined;
        this.onRing();
      },
      () => {
        // Cancelled: there is nothing to wait for any more, or another wait is shorter.
      },
    );
  }

  /** Leaves no timer behind. */
  cancel(): void {
    this.set?.cancelled.abort();
    this.set = undefined;
  }
}

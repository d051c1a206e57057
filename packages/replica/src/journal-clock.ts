import type { Platform } from "./platform.ts";

/** A wall clock that is this far ahead of journal time is alarmed, not followed. */
export const WALL_JUMP_MAX_MS = 5_000;

/**
 * Journal time: starts at the later of the last journal time and the wall clock, then follows the monotonic clock. A
 * wall clock that is set back changes nothing; one that is set forward is followed at most by `WALL_JUMP_MAX_MS`.
 */
export class JournalClock {
  private readonly platform: Pick<Platform, "wallMs" | "monotonicMs" | "log">;
  private offsetMs: number;
  /** Whether the jump that goes on now was alarmed. */
  private alarmed = false;

  constructor(platform: Pick<Platform, "wallMs" | "monotonicMs" | "log">, lastJournalTimeMs: number) {
    this.platform = platform;
    this.offsetMs = Math.max(lastJournalTimeMs, platform.wallMs()) - platform.monotonicMs();
  }

  /** Whole Unix milliseconds, never below `lastJournalTimeMs`. */
  now(lastJournalTimeMs: number): number {
    const monotonicMs = this.platform.monotonicMs();
    const aheadMs = this.platform.wallMs() - (monotonicMs + this.offsetMs);
    if (aheadMs > WALL_JUMP_MAX_MS) {
      this.alarm(aheadMs);
    } else {
      this.alarmed = false;
      // Small corrections, as a time service makes them, are followed forward.
      if (aheadMs > 0) this.offsetMs += aheadMs;
    }
    return Math.max(lastJournalTimeMs, Math.floor(monotonicMs + this.offsetMs));
  }

  private alarm(aheadMs: number): void {
    if (this.alarmed) return;
    this.alarmed = true;
    this.platform.log.error("wall clock jumped forward; journal time does not follow", {
      ahead_ms: Math.round(aheadMs),
    });
  }
}

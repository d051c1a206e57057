import { type Ledger, RefusalError } from "@bank/core";
import type { Platform } from "./platform.ts";
import { PositionWatch } from "./position-watch.ts";
import { deadlineExceeded, timeInFuture } from "./refusals.ts";

/** At this level of the format time can be written down by itself. */
const TICK_LEVEL = 2;

export interface PassingTimeOptions {
  readonly ledger: Ledger;
  readonly platform: Pick<Platform, "delay">;
  /** Journal time, Unix milliseconds: what a batch that is executed at once would have. */
  readonly nowMs: () => number;
  /** Why nothing can be written now; undefined where something can. */
  readonly whyNot: () => RefusalError | undefined;
  /** Has the next batch say that time passes. */
  readonly tick: () => void;
}

/** Says when a moment is over for good: journal time has passed it, and that is committed. */
export class PassingTime {
  /** Journal time of the committed position. */
  readonly committed: PositionWatch;
  private readonly options: PassingTimeOptions;

  constructor(options: PassingTimeOptions) {
    this.options = options;
    this.committed = new PositionWatch(options.ledger.timeMs);
  }

  /**
   * Resolves once a batch of a later time than the moment is committed; has one written, if it must.
   * Rejects with `RefusalError`: TIME_IN_FUTURE, FORMAT_LEVEL_TOO_LOW, DEADLINE_EXCEEDED; why nothing can be written.
   */
  async passed(timeMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { ledger } = this.options;
    if (this.committed.current > timeMs) return;
    let nowMs = this.options.nowMs();
    // Whoever was just answered may ask for that very moment: it is over in the next.
    if (timeMs === nowMs) nowMs = await this.nextMoment(signal);
    if (timeMs >= nowMs) throw timeInFuture(timeMs, nowMs);
    // A batch that is in flight may be late enough.
    if (ledger.timeMs <= timeMs) this.wantTick();
    try {
      await this.committed.reached(timeMs + 1, signal);
    } catch (error) {
      throw error instanceof RefusalError ? error : deadlineExceeded();
    }
  }

  private async nextMoment(signal = new AbortController().signal): Promise<number> {
    try {
      await this.options.platform.delay(1, signal);
    } catch {
      // Only the signal ends the wait early.
      throw deadlineExceeded();
    }
    return this.options.nowMs();
  }

  private wantTick(): void {
    const refusal = this.options.whyNot();
    if (refusal !== undefined) throw refusal;
    const { formatLevel: level } = this.options.ledger;
    if (level < TICK_LEVEL)
      throw new RefusalError("FORMAT_LEVEL_TOO_LOW", { level: String(level), needed: String(TICK_LEVEL) });
    this.options.tick();
  }
}

import type { LeaseClock } from "./lease-clock.ts";
import { monotonicClock } from "./lease-clock.ts";

/** The process's clock, which leaps over the next wait when it is told to: of who waits for the end of one that has ended. */
export class LeapingClock implements LeaseClock {
  #leaptMs = 0;
  #leaps = false;

  nowMs(): number {
    return monotonicClock.nowMs() + this.#leaptMs;
  }

  after(ms: number, act: () => void): { cancel(): void } {
    if (!this.#leaps) return monotonicClock.after(ms, act);
    this.#leaps = false;
    this.leap();
    return monotonicClock.after(0, act);
  }

  leap(): void {
    this.#leaptMs += LEAP_MS;
  }

  leapOverNextWait(): void {
    this.#leaps = true;
  }
}

/** Longer than any lease of a test. */
const LEAP_MS = 60_000;

/** A clock that stands still: who counts by it neither gives a sign of life nor finds that time has passed. */
export class StoppedClock implements LeaseClock {
  #isStopped = false;
  #stoppedMs = 0;
  readonly #waiting: (() => void)[] = [];

  nowMs(): number {
    return this.#isStopped ? this.#stoppedMs : monotonicClock.nowMs();
  }

  after(ms: number, act: () => void): { cancel(): void } {
    return monotonicClock.after(ms, () => {
      if (this.#isStopped) this.#waiting.push(act);
      else act();
    });
  }

  stop(): void {
    this.#stoppedMs = this.nowMs();
    this.#isStopped = true;
  }

  goOn(): void {
    this.#isStopped = false;
    for (const act of this.#waiting.splice(0)) act();
  }
}

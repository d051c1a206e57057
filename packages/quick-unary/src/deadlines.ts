import { Bag, type Bagged } from "./bag.ts";

/** Something that ends at a time, by the clock of `performance.now`. */
export interface Expiring extends Bagged {
  readonly deadlineMs: number;
  expire(): void;
}

/** Node's timers fire at once where they are given more. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/**
 * The deadlines of all calls that are under way, with one timer: it is set for the earliest, and stays set when that call
 * ends. Almost all calls end long before, so that most cost a place in a bag, and no timer.
 */
export class Deadlines {
  private readonly waiting = new Bag<Expiring>();
  private timer: NodeJS.Timeout | undefined;
  private wakesMs = Number.POSITIVE_INFINITY;

  add(one: Expiring): void {
    this.waiting.add(one);
    if (one.deadlineMs < this.wakesMs) this.wakeAt(one.deadlineMs);
  }

  delete(one: Expiring): void {
    this.waiting.delete(one);
  }

  private wakeAt(timeMs: number): void {
    clearTimeout(this.timer);
    this.wakesMs = timeMs;
    const delayMs = Math.min(Math.max(Math.ceil(timeMs - performance.now()), 1), TIMER_MAX_MS);
    // Nothing but the server itself keeps a process alive.
    this.timer = setTimeout(() => this.wake(), delayMs).unref();
  }

  private wake(): void {
    this.wakesMs = Number.POSITIVE_INFINITY;
    const nowMs = performance.now();
    let nextMs = Number.POSITIVE_INFINITY;
    const due = this.waiting.filter(({ deadlineMs }) => {
      if (deadlineMs <= nowMs) return true;
      if (deadlineMs < nextMs) nextMs = deadlineMs;
      return false;
    });
    for (const one of due) {
      // One that expired before it may have ended it.
      if (one.place === undefined) continue;
      this.waiting.delete(one);
      one.expire();
    }
    // What expired may have added another.
    if (nextMs < this.wakesMs) this.wakeAt(nextMs);
  }
}

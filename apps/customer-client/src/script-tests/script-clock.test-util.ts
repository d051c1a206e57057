import { nodePlatform, silentLog } from "@bank/node";

/** When every script begins: a Monday. */
export const SCRIPT_START_MS = Date.UTC(2026, 0, 5, 9);

/** A clock that stands still until it is told to go on, for a bank and branches in this process. */
export class ScriptClock {
  private elapsedMs = 0;
  private readonly sleepers = new Set<{ readonly untilMs: number; readonly wake: () => void }>();

  get nowMs(): number {
    return SCRIPT_START_MS + this.elapsedMs;
  }

  /** Lets time pass, and wakes whoever waited for it. */
  advance(ms: number): void {
    this.elapsedMs += ms;
    for (const sleeper of [...this.sleepers]) if (sleeper.untilMs <= this.elapsedMs) sleeper.wake();
  }

  /**
   * What a server takes for its surroundings. Both clocks are this one. A wait ends when this clock has come so far, and
   * also when the real one has: a connection that is tried again must not wait for the script.
   */
  platform(): ReturnType<typeof nodePlatform> {
    const real = nodePlatform(silentLog);
    return {
      ...real,
      wallMs: () => this.nowMs,
      monotonicMs: () => this.elapsedMs,
      delay: (ms, signal) => this.delay(ms, signal, real.delay),
    };
  }

  private async delay(ms: number, signal: AbortSignal, realDelay: (ms: number, signal: AbortSignal) => Promise<void>) {
    const woken = new AbortController();
    const sleeper = { untilMs: this.elapsedMs + ms, wake: () => woken.abort() };
    this.sleepers.add(sleeper);
    try {
      await realDelay(ms, AbortSignal.any([signal, woken.signal]));
    } catch (error) {
      if (signal.aborted || !woken.signal.aborted) throw error;
    } finally {
      this.sleepers.delete(sleeper);
    }
  }
}

/** Time as a lease counts it. Tests have their own. */
export interface LeaseClock {
  /** Milliseconds that never run backwards, from any beginning. */
  nowMs(): number;
  /** Calls back once, unless it is cancelled before. */
  after(ms: number, act: () => void): { cancel(): void };
}

/** The process's own. What waits does not keep the process alive. */
export const monotonicClock: LeaseClock = {
  nowMs: () => performance.now(),
  after: (ms, act) => {
    const timer = setTimeout(act, ms);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Resolves after so long. */
export function pause(clock: LeaseClock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve));
}

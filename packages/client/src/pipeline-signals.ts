/**
 * Tells of the ends of signals that many wait for. Each signal has one listener, however many they are: it would go through
 * all that it has whenever another is added.
 */
export class SignalWatch<T> {
  private readonly onAbort: (waiter: T, reason: unknown) => void;
  private readonly bySignal = new Map<AbortSignal, Watched<T>>();

  /** @param onAbort called once for each who waits, who is not watched any more then. */
  constructor(onAbort: (waiter: T, reason: unknown) => void) {
    this.onAbort = onAbort;
  }

  /** How many signals are listened to. */
  get size(): number {
    return this.bySignal.size;
  }

  add(signal: AbortSignal, waiter: T): void {
    const known = this.bySignal.get(signal);
    if (known !== undefined) {
      known.waiters.add(waiter);
      return;
    }
    const waiters = new Set([waiter]);
    const onAbort = () => {
      this.bySignal.delete(signal);
      for (const each of waiters) this.onAbort(each, signal.reason);
    };
    this.bySignal.set(signal, { waiters, onAbort });
    signal.addEventListener("abort", onAbort, { once: true });
  }

  remove(signal: AbortSignal, waiter: T): void {
    const watched = this.bySignal.get(signal);
    if (watched?.waiters.delete(waiter) !== true || watched.waiters.size > 0) return;
    this.bySignal.delete(signal);
    signal.removeEventListener("abort", watched.onAbort);
  }
}

interface Watched<T> {
  readonly waiters: Set<T>;
  readonly onAbort: () => void;
}

import type { Position } from "@bank/core";

interface Waiter {
  readonly position: Position;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** A position, or a journal time, that only grows, and those who wait for it to reach theirs. */
export class PositionWatch {
  private position: Position;
  private readonly waiters = new Set<Waiter>();
  private failure: { readonly reason: unknown } | undefined;

  constructor(position: Position) {
    this.position = position;
  }

  get current(): Position {
    return this.position;
  }

  /** Wakes everybody whose position is reached. Lower positions are ignored. */
  advance(position: Position): void {
    if (position <= this.position) return;
    this.position = position;
    for (const waiter of this.waiters) {
      if (waiter.position > position) continue;
      this.waiters.delete(waiter);
      waiter.resolve();
    }
  }

  /** Rejects everybody who waits, and whoever will have to wait from now on. */
  fail(reason: unknown): void {
    this.failure = { reason };
    this.rejectWaiters(reason);
  }

  /** Rejects everybody who waits now. */
  rejectWaiters(reason: unknown): void {
    for (const waiter of this.waiters) waiter.reject(reason);
    this.waiters.clear();
  }

  /** Resolves once the position is reached. Rejects with the signal's reason, or with what `fail` was given. */
  reached(position: Position, signal?: AbortSignal): Promise<void> {
    if (position <= this.position) return Promise.resolve();
    if (this.failure !== undefined) return Promise.reject(this.failure.reason);
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise<void>((resolve, reject) => {
      const waiter: Waiter = {
        position,
        resolve: () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        },
        reject: (reason) => {
          signal?.removeEventListener("abort", onAbort);
          reject(reason);
        },
      };
      const onAbort = () => {
        this.waiters.delete(waiter);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.waiters.add(waiter);
    });
  }
}

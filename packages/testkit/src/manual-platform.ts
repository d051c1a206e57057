import { createHash } from "node:crypto";
import type { Sha256 } from "@bank/journal";
import type { Platform } from "@bank/replica";
import { Random } from "./random.ts";
import { RecordingLog } from "./recording-log.ts";

interface Timer {
  readonly dueMs: number;
  readonly fire: () => void;
}

/**
 * A platform whose clocks a test moves, and whose randomness follows from a seed. Time stands still until the test
 * moves it; `defer` runs in the next turn of the event loop unless the test holds it back.
 */
export class ManualPlatform implements Platform {
  readonly log = new RecordingLog();
  readonly sha256: Sha256 = sha256;
  /** Functions that `defer` was given while they were held back. */
  readonly deferred: (() => void)[] = [];
  /** Whether `defer` waits for `runDeferred`. */
  holdsDeferred = false;
  private readonly generator: Random;
  private nowMs = 1_000;
  private wallAheadMs: number;
  private timers: Timer[] = [];

  constructor(options: { readonly seed?: number; readonly wallMs?: number } = {}) {
    this.generator = new Random(options.seed ?? 1);
    this.wallAheadMs = (options.wallMs ?? Date.UTC(2026, 10, 21)) - this.nowMs;
  }

  wallMs(): number {
    return this.nowMs + this.wallAheadMs;
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  randomBytes(count: number): Uint8Array {
    return this.generator.bytes(count);
  }

  random(): number {
    return this.generator.fraction();
  }

  defer(run: () => void): void {
    if (this.holdsDeferred) this.deferred.push(run);
    else setImmediate(run);
  }

  delay(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    return new Promise<void>((resolve, reject) => {
      const timer = this.startTimer(ms, () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      });
      const onAbort = () => {
        this.timers = this.timers.filter((other) => other !== timer);
        reject(signal.reason);
      };
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  timeout(ms: number): AbortSignal {
    const controller = new AbortController();
    this.startTimer(ms, () => controller.abort(new DOMException("the time is over", "TimeoutError")));
    return controller.signal;
  }

  /** Timers that have not fired. */
  get timerCount(): number {
    return this.timers.length;
  }

  /** Runs what `defer` was given while it was held back. */
  runDeferred(): void {
    for (const run of this.deferred.splice(0)) run();
  }

  /** Lets time pass on both clocks. */
  advance(ms: number): void {
    const endMs = this.nowMs + ms;
    for (let timer = this.nextTimer(); timer !== undefined && timer.dueMs <= endMs; timer = this.nextTimer()) {
      this.nowMs = Math.max(this.nowMs, timer.dueMs);
      this.fire(timer);
    }
    this.nowMs = endMs;
  }

  /** Lets time pass to the next timer. False when there is none. */
  advanceToNextTimer(): boolean {
    const timer = this.nextTimer();
    if (timer !== undefined) this.advance(Math.max(0, timer.dueMs - this.nowMs));
    return timer !== undefined;
  }

  /** Sets the wall clock forward or back. A machine that sleeps looks like this too: its other clock stood still. */
  setWallForward(ms: number): void {
    this.wallAheadMs += ms;
  }

  private startTimer(ms: number, fire: () => void): Timer {
    const timer: Timer = { dueMs: this.nowMs + ms, fire };
    this.timers.push(timer);
    return timer;
  }

  /** The one that is due first; of those due together the oldest. */
  private nextTimer(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.timers) if (next === undefined || timer.dueMs < next.dueMs) next = timer;
    return next;
  }

  private fire(timer: Timer): void {
    this.timers = this.timers.filter((other) => other !== timer);
    timer.fire();
  }
}

/** SHA-256 of the parts, one after the other. */
export const sha256: Sha256 = (...parts) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
};

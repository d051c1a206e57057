import type { Platform } from "./platform.ts";

/** Waits between tries: doubling from a minimum to a maximum, each with jitter of up to a half. */
export class Backoff {
  private readonly platform: Pick<Platform, "delay" | "random">;
  private readonly minMs: number;
  private readonly maxMs: number;
  private nextMs: number;

  constructor(
    platform: Pick<Platform, "delay" | "random">,
    options: { readonly minMs: number; readonly maxMs: number },
  ) {
    this.platform = platform;
    this.minMs = options.minMs;
    this.maxMs = options.maxMs;
    this.nextMs = options.minMs;
  }

  /** The next wait is the shortest again. */
  reset(): void {
    this.nextMs = this.minMs;
  }

  /** How long to wait this time, in milliseconds. */
  next(): number {
    const ms = this.nextMs * (1 - this.platform.random() / 2);
    this.nextMs = Math.min(this.nextMs * 2, this.maxMs);
    return ms;
  }

  /** Rejects with the signal's reason. */
  wait(signal: AbortSignal): Promise<void> {
    return this.platform.delay(this.next(), signal);
  }
}

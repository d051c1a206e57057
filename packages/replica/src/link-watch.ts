import { RefusalError } from "@bank/core";
import { abortable } from "./abortable.ts";
import { Backoff } from "./backoff.ts";
import type { Platform } from "./platform.ts";

/** A probe is sent when none was for so long. */
export const HEARTBEAT_MS = 200;
/** The link is lost when a probe has had no answer for so long. */
export const SILENCE_MAX_MS = 750;
/** How often the watch looks at its clock. */
export const LINK_TICK_MS = 50;
/** Calls on their way over a connection whose probe failed get so long to come back; it is dropped then. */
export const DROP_GRACE_MS = 500;
const RECONNECT_MIN_MS = 20;
const RECONNECT_MAX_MS = 500;

export interface LinkWatchOptions {
  readonly platform: Pick<Platform, "monotonicMs" | "delay" | "random" | "log">;
  /** Asks the bank something by way of `sends`. */
  readonly probe: () => Promise<unknown>;
  /** The bank does not answer any more: whatever waits for it ends with this reason. */
  readonly onDown: (reason: Error) => void;
  /** The connection, which may be half open, must be dropped. */
  readonly onDropped: (reason: Error) => void;
  /** Called every `LINK_TICK_MS`, with the time as `nowMs` tells it. */
  readonly onTick: (nowMs: number) => void;
}

/**
 * Knows within a second whether the bank still answers, by probes that are sent anyway and by heartbeats where there are
 * none. Its state:
 *
 * - up: the last probe that ended was answered, if only by a refusal. A probe that fails, or has no answer for
 *   `SILENCE_MAX_MS`, ends this.
 * - down: nothing that needs the bank is begun. It is probed again and again, with backoff and jitter, until it answers.
 *   After a silence the connection is dropped at once, for it may be half open; after an error only if that lasts, so
 *   that answers which are on their way may still come.
 *
 * Before the first answer it is down. Time that this process stood still (it was stopped, or its event loop was busy)
 * counts for little: an answer may have come meanwhile, and must be read first.
 */
export class LinkWatch {
  private readonly options: LinkWatchOptions;
  private readonly backoff: Backoff;
  private readonly closing = new AbortController();
  /** Aborts when the connection of the moment is dropped. */
  private connectionEnd = new AbortController();
  /** Aborts when the link goes down; aborted while it is. */
  private upEnd = new AbortController();
  private upAgain = Promise.withResolvers<void>();
  private isDropped = true;
  private isReconnecting = false;
  private lastTickMs: number;
  private countedMs = 0;
  /** When the link went down, as `nowMs` tells it. */
  private downMs = 0;
  /** When the last probe was sent, likewise. */
  private sentMs = 0;
  private isAsking = false;

  constructor(options: LinkWatchOptions) {
    this.options = options;
    this.backoff = new Backoff(options.platform, { minMs: RECONNECT_MIN_MS, maxMs: RECONNECT_MAX_MS });
    this.lastTickMs = options.platform.monotonicMs();
    this.upEnd.abort(new Error("the bank has not been reached yet"));
  }

  get isUp(): boolean {
    return !this.upEnd.signal.aborted;
  }

  /** Aborts once the link is down; aborted while it is. */
  get down(): AbortSignal {
    return this.upEnd.signal;
  }

  /** Aborts once the connection of this moment is dropped: streams and calls over it must end. */
  get connection(): AbortSignal {
    return this.connectionEnd.signal;
  }

  /** Milliseconds since some moment in which this process ran: it grows by little while the process stands still. */
  get nowMs(): number {
    return this.countedMs + this.sinceTick();
  }

  /** Resolves once the link is up. Rejects with the signal's reason. */
  whenUp(signal: AbortSignal): Promise<void> {
    if (this.isUp) return Promise.resolve();
    return abortable(this.upAgain.promise, signal, () => signal.reason);
  }

  /** Connects, and watches from now on. */
  start(): void {
    void this.tick();
    void this.reconnect({ atOnce: true });
  }

  /** Asks at once, whatever was asked before: the answer says whether the bank is there. */
  probeNow(): void {
    this.options.probe().catch(() => {
      // What it means was seen by `sends`.
    });
  }

  /** Ends everything that waits for the bank, and every timer. Idempotent. */
  close(): void {
    if (this.closing.signal.aborted) return;
    const reason = new Error("the replica is closing");
    this.closing.abort(reason);
    this.goDown(reason);
    this.connectionEnd.abort(reason);
  }

  /**
   * One probe on its way, at most one at a time. Rejects as `ask` does, and when the connection is dropped.
   * A `RefusalError` is an answer: somebody is there.
   */
  async sends<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { signal } = this.connectionEnd;
    this.sentMs = this.nowMs;
    this.isAsking = true;
    try {
      const answer = await abortable(ask(signal), signal, () => signal.reason);
      this.answered();
      return answer;
    } catch (error) {
      if (error instanceof RefusalError) this.answered();
      else if (!signal.aborted) this.failed(error);
      throw error;
    } finally {
      this.isAsking = false;
    }
  }

  private async tick(): Promise<void> {
    const { platform, onTick } = this.options;
    const { signal } = this.closing;
    while (!signal.aborted) {
      await platform.delay(LINK_TICK_MS, signal).catch(() => {
        // Only the signal ends the wait early, and the loop looks at it.
      });
      if (signal.aborted) return;
      this.countedMs += this.sinceTick();
      this.lastTickMs = platform.monotonicMs();
      onTick(this.nowMs);
      this.look();
    }
  }

  private look(): void {
    const askedMs = this.nowMs - this.sentMs;
    if (this.isAsking) {
      if (askedMs >= SILENCE_MAX_MS) this.drop(new Error(`the bank has not answered for ${Math.round(askedMs)} ms`));
    } else if (this.isUp && askedMs >= HEARTBEAT_MS) {
      this.probeNow();
    }
    if (!this.isUp && !this.isDropped && this.nowMs - this.downMs >= DROP_GRACE_MS) this.drop(this.down.reason);
  }

  /** A tick that is late by more than another says that this process stood still. */
  private sinceTick(): number {
    return Math.min(this.options.platform.monotonicMs() - this.lastTickMs, 2 * LINK_TICK_MS);
  }

  private answered(): void {
    if (this.isUp || this.closing.signal.aborted) return;
    this.upEnd = new AbortController();
    this.isDropped = false;
    this.backoff.reset();
    this.upAgain.resolve();
  }

  private failed(error: unknown): void {
    this.lose(error instanceof Error ? error : new Error(String(error)));
    void this.reconnect({ atOnce: false });
  }

  private drop(reason: Error): void {
    this.lose(reason);
    this.isDropped = true;
    const dropped = this.connectionEnd;
    this.connectionEnd = new AbortController();
    dropped.abort(reason);
    this.options.onDropped(reason);
    void this.reconnect({ atOnce: false });
  }

  private lose(reason: Error): void {
    if (this.isUp) this.options.platform.log.warn("the bank does not answer", { problem: reason.message });
    this.goDown(reason);
  }

  private goDown(reason: Error): void {
    if (!this.isUp) return;
    this.downMs = this.nowMs;
    this.upAgain = Promise.withResolvers<void>();
    this.upEnd.abort(reason);
    this.options.onDown(reason);
  }

  private async reconnect({ atOnce }: { readonly atOnce: boolean }): Promise<void> {
    if (this.isReconnecting) return;
    this.isReconnecting = true;
    const { signal } = this.closing;
    let waits = !atOnce;
    while (!this.isUp && !signal.aborted) {
      if (waits)
        await this.backoff.wait(signal).catch(() => {
          // Only the signal ends the wait early, and the loop looks at it.
        });
      waits = true;
      if (!signal.aborted)
        await this.options.probe().catch(() => {
          // What it means was seen by `sends`.
        });
    }
    this.isReconnecting = false;
  }
}

import { LeaseLostError } from "../errors.ts";
import type { StoreLease } from "../port.ts";
import type { LeaseClock } from "./lease-clock.ts";

/** How often the holder gives a sign of life, as a part of the time to live. */
const BEATS_PER_TTL = 5;
/** So much of the time to live the holder gives up before others may take over: for clocks that run unlike, and timers that ring late. */
const MARGIN_PER_TTL = 1 / 5;

/** What a lease needs of the store. */
export interface LeaseWrites {
  /** Writes the next beat. Rejects where it could not, which need not mean anything yet. */
  beat(): Promise<void>;
  /** Writes where the holder can be reached. */
  announce(address: string): Promise<void>;
}

/**
 * The lease while it is held: counts from the *sending* of the last write that was acknowledged, because others may have
 * seen that one at any moment since.
 */
export class HeldLease implements StoreLease {
  readonly #lost = new AbortController();
  readonly #clock: LeaseClock;
  readonly #ttlMs: number;
  readonly #name: string;
  #writes: LeaseWrites;
  #renewedMs: number;
  #beatTimer: { cancel(): void } | undefined;
  #endTimer: { cancel(): void } | undefined;
  #stopped = false;
  /** The beat that is under way. */
  #beating: Promise<void> | undefined;
  /** The beat that begins once that one is done: shared by all who ask meanwhile. */
  #next: Promise<void> | undefined;

  constructor(options: {
    readonly clock: LeaseClock;
    readonly ttlMs: number;
    readonly name: string;
    readonly writes: LeaseWrites;
    /** When the write that took the lease was sent. */
    readonly sentMs: number;
  }) {
    this.#clock = options.clock;
    this.#ttlMs = options.ttlMs;
    this.#name = options.name;
    this.#writes = options.writes;
    this.#renewedMs = options.sentMs;
    this.#wait();
    this.#waitToBeat();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async announce(address: string): Promise<void> {
    this.requireHeld();
    await this.#writes.announce(address);
  }

  async confirm(): Promise<void> {
    this.requireHeld();
    if (this.#beating === undefined) return this.#beat();
    this.#next ??= this.#beating
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        this.requireHeld();
        return this.#beat();
      });
    return this.#next;
  }

  /** Another connection, or another token: the lease is the same as long as it was not lost. */
  goOn(writes: LeaseWrites, sentMs: number): void {
    this.#writes = writes;
    this.renewed(sentMs);
  }

  /** A write under this lease was acknowledged. */
  renewed(sentMs: number): void {
    if (sentMs > this.#renewedMs) this.#renewedMs = sentMs;
  }

  /** Throws: `LeaseLostError` where it is lost, or nobody can know that it is not. */
  requireHeld(): void {
    if (!this.#lost.signal.aborted && this.#clock.nowMs() >= this.#endMs) this.lose(this.#expired());
    if (this.#lost.signal.aborted)
      throw new LeaseLostError(reasonOf(this.#lost.signal), { cause: this.#lost.signal.reason });
  }

  lose(reason: LeaseLostError): void {
    this.stop();
    if (!this.#lost.signal.aborted) this.#lost.abort(reason);
  }

  /** No beat from here on. Idempotent. */
  stop(): void {
    this.#stopped = true;
    this.#beatTimer?.cancel();
    this.#endTimer?.cancel();
  }

  get #endMs(): number {
    return this.#renewedMs + this.#ttlMs * (1 - MARGIN_PER_TTL);
  }

  #wait(): void {
    this.#endTimer = this.#clock.after(Math.max(1, this.#endMs - this.#clock.nowMs()), () => {
      if (this.#stopped) return;
      if (this.#clock.nowMs() >= this.#endMs) this.lose(this.#expired());
      else this.#wait();
    });
  }

  #waitToBeat(): void {
    this.#beatTimer = this.#clock.after(this.#ttlMs / BEATS_PER_TTL, () => {
      if (this.#stopped) return;
      this.#waitToBeat();
      // One that takes long is followed by none meanwhile; one that fails is followed by the next.
      if (this.#beating === undefined) this.#beat().catch(() => undefined);
    });
  }

  #beat(): Promise<void> {
    const beating = this.#writes.beat().finally(() => {
      this.#beating = undefined;
    });
    this.#beating = beating;
    return beating;
  }

  #expired(): LeaseLostError {
    return new LeaseLostError(
      `${this.#name} has acknowledged nothing for ${Math.round(this.#ttlMs * (1 - MARGIN_PER_TTL))} ms: ` +
        "another server may have taken it over",
    );
  }
}

function reasonOf(signal: AbortSignal): string {
  return signal.reason instanceof Error ? signal.reason.message : "the lease is lost";
}

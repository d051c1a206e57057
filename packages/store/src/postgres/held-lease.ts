import { LeaseLostError, StoreError } from "../errors.ts";
import type { StoreLease } from "../port.ts";
import type { Channel } from "./channel.ts";
import type { LeaseRow } from "./lease-row.ts";
import { failure } from "./postgres-errors.ts";

/** The times of a lease. */
export interface LeaseTimes {
  /** So long after the sending of its last acknowledged sign of life nobody else may have the lease. */
  readonly ttlMs: number;
  /** Between two signs of life. */
  readonly beatMs: number;
}

/** The part of the time to live that the holder does without, so that it stops before another begins. */
const MARGIN = 0.2;

/**
 * The lease as its holder knows it. Its signs of life go over a connection of their own, so that no append in flight holds
 * them up.
 */
export class HeldLease implements StoreLease {
  readonly #name: string;
  readonly #row: LeaseRow;
  readonly #times: LeaseTimes;
  readonly #lost = new AbortController();
  #channel: Channel;
  #token: Buffer;
  #address: string | undefined;
  #renewedAtMs: number;
  #timer: NodeJS.Timeout | undefined;
  #watch: NodeJS.Timeout | undefined;
  #isOver = false;
  #inFlight: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(
    name: string,
    options: {
      readonly row: LeaseRow;
      readonly times: LeaseTimes;
      readonly channel: Channel;
      readonly token: Buffer;
      /** When the statement that took the lease was sent. */
      readonly takenAtMs: number;
    },
  ) {
    this.#name = name;
    this.#row = options.row;
    this.#times = options.times;
    this.#channel = options.channel;
    this.#token = options.token;
    this.#renewedAtMs = options.takenAtMs;
    this.#beatLater();
    this.#watchOn();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  get token(): Buffer {
    return this.#token;
  }

  get address(): string | undefined {
    return this.#address;
  }

  async announce(address: string): Promise<void> {
    this.#address = address;
    await this.confirm();
  }

  confirm(): Promise<void> {
    // Whoever asks while one is on its way waits for the next: it must begin after the question.
    this.#next ??= this.#beatNext();
    return this.#next;
  }

  /** Throws: `LeaseLostError` where this process may not have it any more. */
  requireHeld(): void {
    if (!this.#lost.signal.aborted && this.#remainingMs() <= 0)
      this.lose(`it was not renewed for ${Math.round(performance.now() - this.#renewedAtMs)} ms`);
    if (this.#lost.signal.aborted) throw this.#lost.signal.reason;
  }

  /** The server, or the clock, says that it is another's. Gives the error that callers get. */
  lose(why: string, holder?: string): LeaseLostError {
    const error = new LeaseLostError(`this server has lost its lease on ${this.#name}: ${why}`, { holder });
    this.end();
    if (!this.#lost.signal.aborted) this.#lost.abort(error);
    return error;
  }

  /** Goes on under another token, which was just put in place of the one before, over another connection. */
  goOn({ token, channel, takenAtMs }: { token: Buffer; channel: Channel; takenAtMs: number }): void {
    this.#token = token;
    this.#channel = channel;
    this.#renewedAtMs = Math.max(this.#renewedAtMs, takenAtMs);
    this.#beatLater();
  }

  /** No sign of life until it goes on. Its time passes. */
  pause(): void {
    clearTimeout(this.#timer);
    this.#channel.drop();
  }

  /** No sign of life any more, and nobody is told when its time has passed. */
  end(): void {
    this.#isOver = true;
    this.pause();
    clearTimeout(this.#watch);
  }

  /** How long others leave it to this process, less the margin. */
  #remainingMs(): number {
    return this.#renewedAtMs + this.#times.ttlMs * (1 - MARGIN) - performance.now();
  }

  /** Tells of the loss when the time has passed, whatever the connection does. */
  #watchOn(): void {
    this.#watch = setTimeout(
      () => {
        if (this.#remainingMs() > 0) this.#watchOn();
        else this.lose("it could not be renewed in time");
      },
      Math.max(1, this.#remainingMs()),
    );
    this.#watch.unref();
  }

  #beatLater(): void {
    clearTimeout(this.#timer);
    const channel = this.#channel;
    this.#timer = setTimeout(async () => {
      await this.confirm().catch(() => {
        // The next one tries again, until too long a time has passed.
      });
      if (!this.#isOver && this.#channel === channel) this.#beatLater();
    }, this.#times.beatMs);
    // A process that has nothing else to do may end.
    this.#timer.unref();
  }

  async #beatNext(): Promise<void> {
    await this.#inFlight?.catch(() => undefined);
    this.#next = undefined;
    this.#inFlight = this.#beat();
    await this.#inFlight;
  }

  async #beat(): Promise<void> {
    const [channel, token] = [this.#channel, this.#token];
    try {
      this.requireHeld();
      const { isOurs, sentAtMs } = await channel.use(async (connection) => {
        const sentAtMs = performance.now();
        return { sentAtMs, isOurs: await this.#row.beat(connection, token, this.#address) };
      });
      // An answer to what was sent under a token that was replaced meanwhile says nothing.
      if (channel !== this.#channel) throw new StoreError(`the store at ${this.#name} was opened anew meanwhile`);
      if (!isOurs) throw this.lose("another server has taken it over");
      this.requireHeld();
      this.#renewedAtMs = Math.max(this.#renewedAtMs, sentAtMs);
    } catch (error) {
      if (channel === this.#channel && this.#remainingMs() <= 0) this.requireHeld();
      throw failure(error, `confirm the lease on ${this.#name}`);
    }
  }
}

import type { AppendOptions, JournalStore, StoredBatch } from "@bank/store";
import {
  AppendRefusedError,
  AppendUnknownError,
  CorruptStoreError,
  LeaseLostError,
  StoreClosedError,
  StoreError,
  StoreVersionError,
  UnsafeSettingsError,
} from "@bank/store/errors";
import { Backoff } from "./backoff.ts";
import { errorText, type Platform } from "./platform.ts";

const SETTLE_RETRY_MIN_MS = 20;
const SETTLE_RETRY_MAX_MS = 500;

/** As much of a store as it takes to keep a journal there. */
export type KeptIn = Pick<JournalStore, "initialize" | "append" | "fence" | "recover">;

/** Appends to a store, and opens it anew before it tries again what ended in doubt. */
export class Appender {
  private readonly store: KeptIn;
  private readonly platform: Platform;
  /** A write was in doubt, or came after the time of the lease. */
  private mustOpen = false;
  /** Another server has the store. */
  private isTaken = false;
  /** Resolves when the append that is in doubt is settled, or given up. */
  private settling: PromiseWithResolvers<void> | undefined;
  private doubts = 0;
  private readonly recover: () => Promise<unknown>;

  /** @param options `recover` opens the store anew, where that is more than the store's own `recover`. */
  constructor(options: {
    readonly store: KeptIn;
    readonly platform: Platform;
    readonly recover?: () => Promise<unknown>;
  }) {
    const { store } = options;
    this.store = store;
    this.platform = options.platform;
    this.recover = options.recover ?? (() => store.recover());
  }

  /**
   * Resolves once no append of `appendSettled` is in doubt, with the number of those that were: while one is, the store
   * may be without its file. Who reads and fails while this number changes reads again.
   */
  async settled(): Promise<number> {
    while (this.settling !== undefined) await this.settling.promise;
    return this.doubts;
  }

  /** How many appends of `appendSettled` have been in doubt. */
  get doubtCount(): number {
    return this.doubts;
  }

  /**
   * Tries a write once; it must be idempotent. Rejects with:
   * - `AppendRefusedError`: this try stored nothing; an earlier one that ended in doubt may have.
   * - `AppendUnknownError`: in doubt, and as long as the store cannot be opened anew.
   * - `LeaseLostError`: this try stored nothing. Where the next one rejects with it too, before it writes, another server has the store.
   * - anything else: the store contradicts the caller, or cannot be used any more.
   */
  async try(write: (store: KeptIn) => Promise<void>): Promise<void> {
    if (this.mustOpen) await this.openAnew();
    try {
      await write(this.store);
    } catch (error) {
      if (error instanceof AppendUnknownError || error instanceof LeaseLostError) this.mustOpen = true;
      throw error;
    }
  }

  /**
   * Tries an idempotent write until it is known to be done: as long as it ends in doubt, or came too late for a lease that nobody
   * else has taken, the store is opened anew before the next try. Rejects as `try`, in doubt only once it was told to give up.
   */
  async untilKnown(write: (store: KeptIn) => Promise<void>, giveUp: AbortSignal): Promise<void> {
    const backoff = new Backoff(this.platform, { minMs: SETTLE_RETRY_MIN_MS, maxMs: SETTLE_RETRY_MAX_MS });
    for (;;) {
      try {
        await this.try(write);
        return;
      } catch (error) {
        const isOpen = error instanceof AppendUnknownError || (error instanceof LeaseLostError && !this.isTaken);
        if (!isOpen || giveUp.aborted) throw error;
        this.platform.log.warn("a write in doubt; opening the store anew", { problem: errorText(error) });
        await backoff.wait(giveUp).catch(() => {
          // Giving up ends the wait early, and the next try is the last.
        });
      }
    }
  }

  /**
   * Appends a batch, and settles an append whose outcome the store does not know: by opening the store anew and
   * occupying the position with the same bytes, never by looking whether it is empty. Callers wait meanwhile. So they do
   * where the time of the lease has passed: opened anew, the store has it again, or says that another server does.
   *
   * Rejects with: `AppendRefusedError` when certainly nothing was stored, at no try; `AppendUnknownError` when it was
   * told to give up and still does not know; whatever else the store rejects with.
   */
  async appendSettled(batch: StoredBatch, options: AppendOptions & { readonly giveUp: AbortSignal }): Promise<void> {
    try {
      await this.appendUntilSettled(batch, options);
    } finally {
      this.settling?.resolve();
      this.settling = undefined;
    }
  }

  private async appendUntilSettled(
    batch: StoredBatch,
    { giveUp, ...options }: AppendOptions & { readonly giveUp: AbortSignal },
  ): Promise<void> {
    const backoff = new Backoff(this.platform, { minMs: SETTLE_RETRY_MIN_MS, maxMs: SETTLE_RETRY_MAX_MS });
    let doubt: unknown;
    let late: unknown;
    for (;;) {
      // Whoever gives up still tries once to settle what is in doubt, or was too late.
      const isLast = giveUp.aborted && (doubt ?? late) !== undefined;
      try {
        await this.try((store) => store.append([batch], options));
        return;
      } catch (error) {
        if (error instanceof AppendUnknownError) {
          if (doubt === undefined) this.doubts++;
          doubt ??= error;
          this.settling ??= Promise.withResolvers();
        }
        // Not what the opening anew itself said.
        else if (error instanceof LeaseLostError && !this.isTaken) {
          if (late === undefined) this.doubts++;
          late ??= error;
          this.settling ??= Promise.withResolvers();
        }
        // Once in doubt always in doubt: a later refusal says nothing about the first attempt.
        else if (doubt === undefined || !(error instanceof AppendRefusedError)) throw error;
        const { lastPosition: position } = batch;
        const what = doubt === undefined ? "append came too late for the lease" : "append in doubt";
        this.platform.log.error(`${what}; opening the store anew`, { position, problem: errorText(error) });
        if (isLast) throw doubt ?? late;
        // Whether somebody else has it is asked at once.
        if (error === late) continue;
        await backoff.wait(giveUp).catch(() => {
          // Giving up ends the wait early, and the next try is the last.
        });
      }
    }
  }

  private async openAnew(): Promise<void> {
    try {
      await this.recover();
    } catch (error) {
      if (error instanceof LeaseLostError) this.isTaken = true;
      if (isFinal(error)) throw error;
      throw new AppendUnknownError(`the store cannot be opened anew: ${errorText(error)}`, { cause: error });
    }
    this.mustOpen = false;
  }
}

/** Of a read or an opening: the server behind the store does not answer, or is not the right one, which may pass. */
export function mayPass(error: unknown): boolean {
  return error instanceof UnsafeSettingsError || (error instanceof StoreError && error.name === "StoreError");
}

/** Of an opening anew: no later try can go better. */
export function isFinal(error: unknown): boolean {
  return (
    error instanceof CorruptStoreError ||
    error instanceof StoreVersionError ||
    error instanceof StoreClosedError ||
    error instanceof LeaseLostError
  );
}

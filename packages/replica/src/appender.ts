import type { AppendOptions, JournalStore, StoredBatch } from "@bank/store";
import {
  AppendRefusedError,
  AppendUnknownError,
  CorruptStoreError,
  LeaseLostError,
  StoreClosedError,
  StoreVersionError,
} from "@bank/store/errors";
import { Backoff } from "./backoff.ts";
import { errorText, type Platform } from "./platform.ts";

const SETTLE_RETRY_MIN_MS = 20;
const SETTLE_RETRY_MAX_MS = 1_000;

/** Appends to a store, and opens it anew before it tries again what ended in doubt. */
export class Appender {
  private readonly store: JournalStore;
  private readonly platform: Platform;
  private inDoubt = false;
  /** Resolves when the append that is in doubt is settled, or given up. */
  private settling: PromiseWithResolvers<void> | undefined;
  private doubts = 0;

  constructor(options: { readonly store: JournalStore; readonly platform: Platform }) {
    this.store = options.store;
    this.platform = options.platform;
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
   * - anything else: the store contradicts the caller, or cannot be used any more.
   */
  async try(write: (store: JournalStore) => Promise<void>): Promise<void> {
    if (this.inDoubt) await this.openAnew();
    try {
      await write(this.store);
    } catch (error) {
      if (error instanceof AppendUnknownError) this.inDoubt = true;
      throw error;
    }
  }

  /**
   * Appends a batch, and settles an append whose outcome the store does not know: by opening the store anew and
   * occupying the position with the same bytes, never by looking whether it is empty. Callers wait meanwhile.
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
    for (;;) {
      // Whoever gives up still tries once to settle what is in doubt.
      const isLast = giveUp.aborted && doubt !== undefined;
      try {
        await this.try((store) => store.append([batch], options));
        return;
      } catch (error) {
        if (error instanceof AppendUnknownError) {
          if (doubt === undefined) this.doubts++;
          doubt ??= error;
          this.settling ??= Promise.withResolvers();
        }
        // Once in doubt always in doubt: a later refusal says nothing about the first attempt.
        else if (doubt === undefined || !(error instanceof AppendRefusedError)) throw error;
        const { lastPosition: position } = batch;
        this.platform.log.error("append in doubt; opening the store anew", { position, problem: errorText(error) });
        if (isLast) throw doubt;
        await backoff.wait(giveUp).catch(() => {
          // Giving up ends the wait early, and the next try is the last.
        });
      }
    }
  }

  private async openAnew(): Promise<void> {
    try {
      await this.store.recover();
    } catch (error) {
      if (isFinal(error)) throw error;
      throw new AppendUnknownError(`the store cannot be opened anew: ${errorText(error)}`, { cause: error });
    }
    this.inDoubt = false;
  }
}

/** No later try can go better. */
function isFinal(error: unknown): boolean {
  return (
    error instanceof CorruptStoreError ||
    error instanceof StoreVersionError ||
    error instanceof StoreClosedError ||
    error instanceof LeaseLostError
  );
}

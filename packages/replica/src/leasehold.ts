import { type Position, RefusalError } from "@bank/core";
import type { JournalStore, StoreLease } from "@bank/store";
import { CorruptStoreError, LeaseLostError } from "@bank/store/errors";
import { isFinal } from "./appender.ts";
import { Backoff } from "./backoff.ts";
import { errorText, type Platform } from "./platform.ts";
import { tellWarnings } from "./store-warnings.ts";

const RETRY_MIN_MS = 20;
const RETRY_MAX_MS = 500;

export interface LeaseholdOptions {
  /** Open. */
  readonly store: JournalStore;
  readonly platform: Platform;
  /** How far the journal goes by what was told to others. */
  readonly committedPosition: () => Position;
  /** Called once where the store is another's by now, or cannot be used any more. */
  readonly onLost: (error: unknown) => void;
}

/**
 * The bank's hold on its store. Where several servers reach it, the store's lease: kept in view, taken back where its time has
 * passed and nobody else took it, and asked for whenever somebody relies on there being no other bank. Where only this process can have
 * the store, there is nothing to do but to open it anew.
 */
export class Leasehold {
  /** Whether several servers reach the store. */
  readonly isLeased: boolean;
  private readonly options: LeaseholdOptions;
  private readonly ended = new AbortController();
  private watched: StoreLease | undefined;
  private address: string | undefined;
  /** Under way while the lease is lost. Never rejects. */
  private regaining: Promise<void> | undefined;

  constructor(options: LeaseholdOptions) {
    this.options = options;
    this.isLeased = options.store.lease !== undefined;
    this.watch();
  }

  /** Tells the other servers, now and after each loss, where this one can be reached: an URL. */
  announce(address: string): void {
    this.address = address;
    if (this.watched !== undefined) void this.tell(this.watched, address);
  }

  /**
   * Opens the store anew, by which it takes back a lease whose time has passed. The epoch goes on: taking it over is what another
   * server begins one with, and none did, for the store gives a lease back only in exchange for the very token that this one held before,
   * which each taker replaces. So nobody else has written, and nothing that was begun before can still arrive.
   *
   * Rejects with: what `JournalStore.recover` rejects with; `CorruptStoreError` where committed records are gone.
   */
  async recover(): Promise<void> {
    const { head } = await this.options.store.recover();
    const committed = this.options.committedPosition();
    const position = head?.position ?? 0;
    if (position < committed)
      throw new CorruptStoreError(
        `the store ends at position ${position}, but ${committed} was committed there: its server has lost the end of the journal`,
      );
    this.watch();
    // Behind the same address there may be another server than before.
    tellWarnings(this.options.store, this.options.platform.log);
  }

  /**
   * Resolves once it is sure that nobody else had written at the moment of the call: by a write under the lease, which begins after
   * it. Waits while the store cannot be reached, and while the lease is taken back.
   * Rejects with `RefusalError` NOT_READY once the store is another's or the bank closes.
   */
  async confirmed(): Promise<void> {
    if (!this.isLeased) return;
    const backoff = this.backoff();
    for (;;) {
      const { lease } = this.options.store;
      if (this.ended.signal.aborted || lease === undefined)
        throw new RefusalError("NOT_READY", { problem: "it cannot make sure any more that it is still the bank" });
      try {
        await lease.confirm();
        return;
      } catch {
        await (this.regaining ?? this.wait(backoff));
      }
    }
  }

  /** Nothing is confirmed or taken back any more. Idempotent. */
  end(): void {
    this.ended.abort();
  }

  /** The store may have another lease than before. */
  private watch(): void {
    const { lease } = this.options.store;
    if (lease === undefined || lease === this.watched) return;
    this.watched = lease;
    if (this.address !== undefined) void this.tell(lease, this.address);
    if (lease.lost.aborted) this.regain(lease);
    else lease.lost.addEventListener("abort", () => this.regain(lease), { once: true });
  }

  private async tell(lease: StoreLease, address: string): Promise<void> {
    const backoff = this.backoff();
    while (!this.ended.signal.aborted && !lease.lost.aborted && this.watched === lease && this.address === address) {
      try {
        await lease.announce(address);
        return;
      } catch (error) {
        if (error instanceof LeaseLostError) return;
        await this.wait(backoff);
      }
    }
  }

  private regain(lost: StoreLease): void {
    if (this.ended.signal.aborted || this.regaining !== undefined) return;
    this.options.platform.log.warn("the lease on the store is lost; it is taken back if nobody else has it", {
      problem: errorText(lost.lost.reason),
    });
    this.regaining = this.regainUntilHeld().finally(() => {
      this.regaining = undefined;
      // It may have been lost again in the same moment.
      const { lease } = this.options.store;
      if (lease?.lost.aborted) this.regain(lease);
    });
  }

  private async regainUntilHeld(): Promise<void> {
    const { platform, onLost } = this.options;
    const backoff = this.backoff();
    let told: string | undefined;
    while (!this.ended.signal.aborted) {
      try {
        // A write that was on its way may have done so already. What counts is an opening that went well: one that fails
        // behind the taking leaves a lease that nobody renews.
        if (this.watched === undefined || this.watched.lost.aborted) await this.recover();
        platform.log.info("the lease on the store is held again: nobody else had it meanwhile");
        return;
      } catch (error) {
        if (isFinal(error)) {
          this.end();
          onLost(error);
          return;
        }
        const problem = errorText(error);
        if (problem !== told) platform.log.warn("the lease cannot be taken back yet; nothing is written", { problem });
        told = problem;
        await this.wait(backoff);
      }
    }
  }

  private backoff(): Backoff {
    return new Backoff(this.options.platform, { minMs: RETRY_MIN_MS, maxMs: RETRY_MAX_MS });
  }

  /** Ends early where nobody needs what is waited for any more. */
  private wait(backoff: Backoff): Promise<void> {
    return backoff.wait(this.ended.signal).catch(() => undefined);
  }
}

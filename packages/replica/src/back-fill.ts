import { bytesEqual, type Position } from "@bank/core";
import { decodeHeader, genesisHash, nextHash, type ReceivedFrame } from "@bank/journal";
import type { JournalStore, StoredBatch, StoreGap } from "@bank/store";
import { AppendUnknownError, JournalConflictError } from "@bank/store/errors";
import { Backoff } from "./backoff.ts";
import { errorText, type Platform } from "./platform.ts";

export interface BackFillOptions {
  readonly store: JournalStore;
  /** 16 bytes. */
  readonly bankId: Uint8Array;
  readonly platform: Platform;
  /** Batches behind one position and up to another. */
  readonly fetch: (after: Position, last: Position, signal: AbortSignal) => AsyncIterable<ReceivedFrame>;
  /** Called once what was fetched does not lead to where the journal went on: one of the two is false. */
  readonly onFalse: (error: unknown) => void;
}

/** Batches are stored together up to so many bytes. */
const GROUP_BYTES_MAX = 1024 * 1024;
const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 5_000;

/**
 * Fetches what lies before the snapshot that a journal went on from, in the background: at most half of the time is spent on
 * it, and a start goes on where the last one was. Every batch is hashed, from the beginning of the journal on, and only when
 * the chain has met the snapshot's is any of it shown: see `StoreGap`.
 */
export class BackFill {
  private readonly options: BackFillOptions;
  private readonly closing = new AbortController();
  private readonly whole = Promise.withResolvers<void>();
  private running: Promise<void> | undefined;
  private missing: StoreGap | undefined;

  /** @param missing undefined where there is nothing to do. */
  constructor(options: BackFillOptions, missing: StoreGap | undefined) {
    this.options = options;
    this.missing = missing;
    // Nobody may be waiting for it when it is closed.
    this.whole.promise.catch(() => undefined);
    if (missing === undefined) this.whole.resolve();
  }

  start(): void {
    if (this.missing !== undefined) this.running ??= this.run(this.closing.signal);
  }

  /** What is missing; undefined once the journal is whole. */
  get gap(): StoreGap | undefined {
    return this.missing;
  }

  /** Resolves once the journal is whole. Rejects with the signal's reason, and when it is closed. */
  whenWhole(signal: AbortSignal): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const onAbort = () => reject(signal.reason);
      if (signal.aborted) onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      this.whole.promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
    });
  }

  /** Idempotent. */
  async close(): Promise<void> {
    const reason = new Error("the replica is closing");
    this.closing.abort(reason);
    await this.running;
    this.whole.reject(reason);
  }

  private async run(signal: AbortSignal): Promise<void> {
    const { platform, store, onFalse } = this.options;
    const backoff = new Backoff(platform, { minMs: RETRY_MIN_MS, maxMs: RETRY_MAX_MS });
    while (this.missing !== undefined && !signal.aborted) {
      const before = this.missing.filled?.position;
      try {
        await this.fetchFrom(this.missing, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof JournalConflictError) {
          onFalse(error);
          return;
        }
        platform.log.warn("what lies before the snapshot cannot be fetched; trying again", {
          problem: errorText(error),
        });
        if (error instanceof AppendUnknownError) await store.recover().catch(() => undefined);
      }
      await this.look();
      if (this.missing === undefined) break;
      if (this.missing.filled?.position !== before) backoff.reset();
      await backoff.wait(signal).catch(() => {
        // Only the signal ends the wait early, and the loop looks at it.
      });
    }
    if (signal.aborted) return;
    platform.log.info("the journal is whole: what lies before the snapshot has been fetched");
    this.whole.resolve();
  }

  private async look(): Promise<void> {
    try {
      this.missing = await this.options.store.gap();
    } catch (error) {
      // In doubt, or closed: what is known stays, and the next look tells.
      this.options.platform.log.warn("the store cannot be read", { problem: errorText(error) });
    }
  }

  private async fetchFrom(gap: StoreGap, signal: AbortSignal): Promise<void> {
    const { platform, bankId, fetch } = this.options;
    const { sha256 } = platform;
    let position = gap.filled?.position ?? 0;
    let chainHash = gap.filled?.chainHash ?? genesisHash(sha256, bankId);
    let group: StoredBatch[] = [];
    let bytes = 0;
    let sinceMs = platform.monotonicMs();
    const storeGroup = async () => {
      const stored = group;
      group = [];
      bytes = 0;
      if (stored.length > 0) await this.store(stored);
    };
    try {
      for await (const received of fetch(position, gap.upTo.position, signal)) {
        const previousHash = chainHash;
        chainHash = nextHash(sha256, previousHash, received.frame);
        const { firstPosition, count } = decodeHeader(received.frame);
        if (!bytesEqual(chainHash, received.chainHash) || firstPosition !== position + 1)
          throw new Error(`what comes behind position ${position} does not continue it`);
        position += count;
        group.push({ firstPosition, lastPosition: position, frame: received.frame, previousHash, chainHash });
        bytes += received.frame.length;
        if (position >= gap.upTo.position) break;
        if (bytes < GROUP_BYTES_MAX) continue;
        await storeGroup();
        await platform.delay(platform.monotonicMs() - sinceMs, signal);
        sinceMs = platform.monotonicMs();
      }
    } finally {
      // However it ended, what has come is kept: a way that breaks again and again leads there too.
      await storeGroup();
    }
  }

  private async store(group: readonly StoredBatch[]): Promise<void> {
    await this.options.store.fill(group);
    await this.look();
  }
}

import { assert, bytesEqual, type Position, RefusalError, toHex } from "@bank/core";
import type { JournalStore, StoredBatch } from "@bank/store";
import type { PositionWatch } from "./position-watch.ts";

/** Newest batches that are kept in memory, so that followers that keep up cost no read from the store. */
const TAIL_BYTES_MAX = 8 * 1024 * 1024;
/** What a batch takes besides its frame; a journal of single records is mostly this. */
const BATCH_OVERHEAD_BYTES = 512;

/** Where a follower stands, and the proof that its journal is a prefix of this one. */
export interface FollowerHead {
  readonly position: Position;
  /** Chain hash there; ignored at 0. */
  readonly chainHash: Uint8Array;
}

/** Hands a journal on to any number of followers, each at its own pace: a slow one only reads later. */
export class JournalFeed {
  private readonly store: JournalStore;
  private readonly shown: PositionWatch;
  private readonly whyClosed: () => RefusalError | undefined;
  private readonly tail: StoredBatch[] = [];
  private tailBytes = 0;
  private readonly ending = new AbortController();
  /** Followers of the moment. */
  followers = 0;

  /**
   * @param shown how far followers may see: what is committed here and on this replica's disk.
   * @param whyClosed why nothing is handed on for now; asked when a follower begins. Before a bank has begun its epoch,
   *   the end of its journal may be what a crash left behind, and nobody may have it that the bank could still lose.
   */
  constructor(store: JournalStore, shown: PositionWatch, whyClosed: () => RefusalError | undefined = () => undefined) {
    this.store = store;
    this.shown = shown;
    this.whyClosed = whyClosed;
  }

  /** Keeps a batch that is durable here, in order. */
  push(batch: StoredBatch): void {
    this.tail.push(batch);
    this.tailBytes += sizeOf(batch);
    while (this.tailBytes > TAIL_BYTES_MAX && this.tail.length > 1)
      this.tailBytes -= sizeOf(this.tail.shift() as StoredBatch);
  }

  /**
   * Checks that a follower's journal is a prefix of this one.
   * Rejects with `RefusalError` JOURNAL_DIVERGED: one of the two has records that the other lacks.
   */
  async checkPrefix(follower: FollowerHead): Promise<void> {
    const { position, chainHash } = follower;
    if (position === 0) return;
    const head = this.shown.current;
    if (position > head) throw diverged(`it has position ${position}, and this one ends at ${head}`);
    const own = await this.store.chainHashAt(position);
    if (own === undefined || !bytesEqual(own, chainHash))
      throw diverged(`at position ${position} it has chain hash ${toHex(chainHash)}, and this one another`);
  }

  /**
   * Every batch behind the position, then each new one, until the signal aborts or the feed ends: then it rejects with the
   * reason.
   * Rejects with: the `RefusalError` of a feed that is closed; what the store's `read` rejects with; `InvariantError` where the store lacks what is shown.
   */
  async *follow(after: Position, leaving: AbortSignal): AsyncGenerator<StoredBatch, void, undefined> {
    const closed = this.whyClosed();
    if (closed !== undefined) throw closed;
    const signal = AbortSignal.any([leaving, this.ending.signal]);
    let position = after;
    this.followers++;
    try {
      while (!signal.aborted) {
        await this.shown.reached(position + 1, signal);
        const before = position;
        for (const batch of this.fromTail(position) ?? (await this.store.read(position))) {
          if (batch.lastPosition > this.shown.current) break;
          yield batch;
          position = batch.lastPosition;
        }
        assert(position > before, `what is shown behind position ${before} is in the store`);
      }
    } finally {
      this.followers--;
    }
  }

  /** Nothing is handed on any more: all who follow are told this. */
  end(reason: RefusalError): void {
    this.ending.abort(reason);
  }

  /** The batches behind a position, if memory holds all of them. */
  private fromTail(position: Position): readonly StoredBatch[] | undefined {
    const first = this.tail[0];
    if (first === undefined || first.firstPosition > position + 1) return undefined;
    // From the end: most followers are near it.
    const have = this.tail.findLastIndex((batch) => batch.lastPosition <= position);
    return have === this.tail.length - 1 ? undefined : this.tail.slice(have + 1);
  }
}

function sizeOf(batch: StoredBatch): number {
  return batch.frame.length + BATCH_OVERHEAD_BYTES;
}

function diverged(problem: string): RefusalError {
  return new RefusalError("JOURNAL_DIVERGED", { problem });
}

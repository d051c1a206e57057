import type { Position } from "@bank/core";
import type { StoredBatch } from "@bank/store";

/**
 * Newest batches that are kept in memory, so that followers that keep up cost no read from the store. The fullest load is
 * some 40 MB a second: a follower may stand still for most of a second, for its garbage or its disk, and catches up from
 * memory. Much less, and all that stumbled would make the bank read when it has the most to write.
 */
const TAIL_BYTES_MAX = 32 * 1024 * 1024;
/** What a batch takes besides its frame; a journal of single records is mostly this. */
const BATCH_OVERHEAD_BYTES = 512;
/** What a follower that is behind is handed at a time: a slow one keeps no more than this in memory. */
export const PIECE_BYTES_MAX = 1024 * 1024;

/** The newest batches of a journal. They are handed out as they are: nothing is copied for any follower. */
export class FeedTail {
  /** Those at the front that were dropped are undefined. */
  private batches: (StoredBatch | undefined)[] = [];
  /** How many were: they are taken out together, since to take out one may move all that are behind it. */
  private dropped = 0;
  private bytes = 0;
  private readonly bytesMax: number;

  /** @param bytesMax how much is kept, besides the newest batch. */
  constructor(bytesMax = TAIL_BYTES_MAX) {
    this.bytesMax = bytesMax;
  }

  push(batch: StoredBatch): void {
    this.batches.push(batch);
    this.bytes += sizeOf(batch);
    while (this.bytes > this.bytesMax && this.dropped < this.batches.length - 1) this.drop();
    if (2 * this.dropped < this.batches.length) return;
    this.batches = this.batches.slice(this.dropped);
    this.dropped = 0;
  }

  /** The next batches behind a position, if they are here: at least one, and as many as a slow follower may keep. */
  behind(position: Position): readonly StoredBatch[] | undefined {
    const begin = this.indexBehind(position);
    const first = this.batches[begin];
    if (first === undefined || first.firstPosition > position + 1) return undefined;
    let end = begin;
    for (let bytes = 0; end < this.batches.length && bytes < PIECE_BYTES_MAX; end++)
      bytes += sizeOf(this.batches[end] as StoredBatch);
    return this.batches.slice(begin, end) as StoredBatch[];
  }

  private drop(): void {
    this.bytes -= sizeOf(this.batches[this.dropped] as StoredBatch);
    this.batches[this.dropped++] = undefined;
  }

  /** Of the first batch that ends behind the position. */
  private indexBehind(position: Position): number {
    let low = this.dropped;
    let high = this.batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.batches[middle] as StoredBatch).lastPosition <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function sizeOf(batch: StoredBatch): number {
  return batch.frame.length + BATCH_OVERHEAD_BYTES;
}

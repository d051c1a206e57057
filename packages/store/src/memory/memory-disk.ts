import { requireHash } from "../arguments.ts";
import { copyBytes, equalBytes } from "../bytes.ts";
import type { SharedPage, StoredBatch, StoredSnapshot, StoreGap, StoreHead, StoreState } from "../port.ts";
import { SNAPSHOTS_KEPT } from "../port.ts";

/** What outlives a memory store object. Internal to the engine and its tests. */
export class MemoryDisk {
  /** The store object that has this disk open. A test clears it to end that store as a crash would. */
  holder: object | undefined;
  bankId: Uint8Array | undefined;
  epoch = 0;
  closedCleanly = true;
  /** In order, without gaps but for the one below, the first beginning at 1. */
  readonly batches: StoredBatch[] = [];
  /** Where a gap is, however much of it is filled. */
  gapBounds: Omit<StoreGap, "filled"> | undefined;
  /** Newest first. */
  snapshots: readonly StoredSnapshot[] = [];
  /** Pages that many snapshots have, by their hashes. */
  private readonly shared = new Map<string, Uint8Array>();

  gap(): StoreGap | undefined {
    if (this.gapBounds === undefined) return undefined;
    const { after, upTo } = this.gapBounds;
    const last = this.batches[this.indexAfter(upTo.position) - 1];
    if (last === undefined) return { after, filled: undefined, upTo: copyHead(upTo) };
    return { after, filled: headOf(last), upTo: copyHead(upTo) };
  }

  head(): StoreHead | undefined {
    const last = this.batches.at(-1);
    const upTo = this.gapBounds?.upTo;
    if (upTo !== undefined && (last === undefined || last.lastPosition <= upTo.position)) return upTo;
    return last && { position: last.lastPosition, chainHash: last.chainHash };
  }

  state(): StoreState {
    const head = this.head();
    return {
      bankId: this.bankId && copyBytes(this.bankId),
      head: head && { position: head.position, chainHash: copyBytes(head.chainHash) },
      epoch: this.epoch,
      closedCleanly: this.closedCleanly,
      gap: this.gap(),
    };
  }

  /** The index of the first batch whose last position is above this one. */
  indexAfter(position: number): number {
    let low = 0;
    let high = this.batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const batch = this.batches[middle];
      if (batch !== undefined && batch.lastPosition <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  batchBeginningAt(firstPosition: number): StoredBatch | undefined {
    const batch = this.batches[this.indexAfter(firstPosition - 1)];
    return batch?.firstPosition === firstPosition ? batch : undefined;
  }

  chainHashAt(position: number): Uint8Array | undefined {
    const batch = this.batches[this.indexAfter(position - 1)];
    return batch?.lastPosition === position ? batch.chainHash : undefined;
  }

  dropSnapshot(position: number): void {
    this.snapshots = this.snapshots.filter((snapshot) => snapshot.position !== position);
  }

  /** The page of this hash, as it lies here or else copied. It is forgotten with the snapshots that have it. */
  share(page: SharedPage): Uint8Array {
    requireHash(page.hash);
    const key = page.hash.join();
    const known = this.shared.get(key);
    if (known !== undefined && (page.isProven || equalBytes(known, page.bytes()))) return known;
    const kept = copyBytes(page.bytes());
    this.shared.set(key, kept);
    return kept;
  }

  keepSnapshot(snapshot: StoredSnapshot): void {
    const others = this.snapshots.filter(({ position }) => position !== snapshot.position);
    this.snapshots = [...others, snapshot].sort((a, b) => b.position - a.position).slice(0, SNAPSHOTS_KEPT);
    const kept = new Set(this.snapshots.flatMap(({ pages }) => pages));
    for (const [key, page] of this.shared) if (!kept.has(page)) this.shared.delete(key);
  }
}

function headOf({ lastPosition, chainHash }: StoredBatch): StoreHead {
  return { position: lastPosition, chainHash: copyBytes(chainHash) };
}

function copyHead({ position, chainHash }: StoreHead): StoreHead {
  return { position, chainHash: copyBytes(chainHash) };
}

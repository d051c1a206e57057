import { checkAppend, checkFill, requireOutside } from "../append-check.ts";
import {
  completeLimits,
  requireBankId,
  requireEpoch,
  requirePosition,
  requireSeed,
  requireSnapshotHeader,
} from "../arguments.ts";
import { copyBytes, equalBytes } from "../bytes.ts";
import {
  JournalConflictError,
  PositionGapError,
  StaleEpochError,
  StoreClosedError,
  StoreError,
  StoreLockedError,
} from "../errors.ts";
import type {
  JournalStore,
  ReadLimits,
  SnapshotSource,
  StoredBatch,
  StoredSnapshot,
  StoreGap,
  StoreState,
} from "../port.ts";
import { MemoryDisk } from "./memory-disk.ts";

/**
 * The port in memory: for tests, the simulator and replicas that live only briefly. What it holds is in its
 * `MemoryDisk`, so that a test can end one store object and open another over the same data.
 */
export class MemoryJournalStore implements JournalStore {
  readonly engine = "memory";
  readonly #disk: MemoryDisk;
  /** Counts how often it was opened, anew too: a snapshot is saved within one. */
  #term = 0;
  /** Position of the snapshot that is being saved. */
  #saving: number | undefined;

  constructor(disk: MemoryDisk = new MemoryDisk()) {
    this.#disk = disk;
  }

  async open(): Promise<StoreState> {
    if (this.#disk.holder === this) throw new StoreError("this memory store is open already");
    if (this.#disk.holder !== undefined) {
      throw new StoreLockedError("another store of this process uses this memory: close that one first");
    }
    this.#disk.holder = this;
    this.#term++;
    return this.#disk.state();
  }

  async initialize(bankId: Uint8Array): Promise<void> {
    const disk = this.#held();
    requireBankId(bankId);
    if (disk.bankId === undefined) {
      disk.closedCleanly = false;
      disk.bankId = copyBytes(bankId);
    } else if (!equalBytes(disk.bankId, bankId)) {
      throw new JournalConflictError("another bank lives in this memory store");
    }
  }

  async fence(epoch: number): Promise<void> {
    const disk = this.#held();
    requireEpoch(epoch);
    if (epoch < disk.epoch) {
      throw new StaleEpochError(`the store is fenced to epoch ${disk.epoch}: epoch ${epoch} comes too late`);
    }
    if (epoch === disk.epoch) return;
    disk.closedCleanly = false;
    disk.epoch = epoch;
  }

  async append(batches: readonly StoredBatch[], { epoch }: { readonly epoch: number }): Promise<void> {
    const disk = this.#held();
    const fresh = checkAppend(batches, epoch, {
      bankId: disk.bankId,
      fencedEpoch: disk.epoch,
      head: disk.head(),
      storedAt: (firstPosition) => disk.batchBeginningAt(firstPosition),
      gap: disk.gap(),
    });
    if (fresh.length > 0) disk.closedCleanly = false;
    for (const batch of fresh) disk.batches.push(copyBatch(batch));
  }

  async read(afterPosition: number, limits?: ReadLimits): Promise<readonly StoredBatch[]> {
    const disk = this.#held();
    requirePosition(afterPosition, 0);
    const { maxBytes, maxBatches } = completeLimits(limits);
    const gap = disk.gap();
    requireOutside(gap, afterPosition + 1);
    const end = gap !== undefined && afterPosition < gap.after ? gap.after : Number.POSITIVE_INFINITY;
    const found: StoredBatch[] = [];
    let bytes = 0;
    for (let i = disk.indexAfter(afterPosition); found.length < maxBatches; i++) {
      const batch = disk.batches[i];
      if (batch === undefined || batch.firstPosition > end) break;
      bytes += batch.frame.length;
      if (bytes > maxBytes && found.length > 0) break;
      found.push(copyBatch(batch));
    }
    return found;
  }

  async batchAt(position: number): Promise<StoredBatch | undefined> {
    const disk = this.#held();
    requirePosition(position);
    requireOutside(disk.gap(), position);
    const batch = disk.batches[disk.indexAfter(position - 1)];
    return batch && copyBatch(batch);
  }

  async chainHashAt(position: number): Promise<Uint8Array | undefined> {
    const disk = this.#held();
    requirePosition(position);
    const hash = chainHashAt(disk, position);
    return hash && copyBytes(hash);
  }

  async saveSnapshot(snapshot: SnapshotSource): Promise<void> {
    const disk = this.#held();
    const { position } = snapshot;
    requirePosition(position);
    if (chainHashAt(disk, position) === undefined) {
      throw new PositionGapError(`no batch ends at ${position}: a snapshot cannot be of that position`);
    }
    await this.#save(snapshot, () => undefined);
  }

  async seed(snapshot: SnapshotSource, chainHash: Uint8Array): Promise<void> {
    const disk = this.#held();
    const { position } = snapshot;
    requireSeed(position, chainHash, disk.state());
    const after = disk.head()?.position ?? 0;
    await this.#save(snapshot, () => {
      requireSeed(position, chainHash, { ...disk.state(), head: disk.head() });
      if ((disk.head()?.position ?? 0) !== after)
        throw new StoreError("the journal has grown while a snapshot was taken for it to go on from");
      disk.gapBounds = { after, upTo: { position, chainHash: copyBytes(chainHash) } };
    });
  }

  async fill(batches: readonly StoredBatch[]): Promise<void> {
    const disk = this.#held();
    const gap = disk.gap();
    const fresh = checkFill(batches, gap, (firstPosition) => disk.batchBeginningAt(firstPosition));
    const last = fresh.at(-1);
    if (gap === undefined || last === undefined) return;
    disk.closedCleanly = false;
    disk.batches.splice(disk.indexAfter(gap.filled?.position ?? gap.after), 0, ...fresh.map(copyBatch));
    if (last.lastPosition === gap.upTo.position) disk.gapBounds = undefined;
  }

  async gap(): Promise<StoreGap | undefined> {
    return this.#held().gap();
  }

  async snapshotPositions(): Promise<readonly number[]> {
    return this.#held().snapshots.map(({ position }) => position);
  }

  async loadSnapshot(position: number): Promise<StoredSnapshot | undefined> {
    const disk = this.#held();
    requirePosition(position);
    const snapshot = disk.snapshots.find((candidate) => candidate.position === position);
    return snapshot && copySnapshot(snapshot);
  }

  async snapshotHeader(position: number): Promise<Uint8Array | undefined> {
    return (await this.loadSnapshot(position))?.header;
  }

  async snapshotPage(position: number, pageNumber: number): Promise<Uint8Array | undefined> {
    return (await this.loadSnapshot(position))?.pages[pageNumber];
  }

  async recover(): Promise<StoreState> {
    const state = this.#held().state();
    this.#term++;
    return state;
  }

  async close(): Promise<void> {
    if (this.#disk.holder !== this) return;
    this.#disk.closedCleanly = true;
    this.#disk.holder = undefined;
  }

  /** @param complete with it the snapshot is there; it may still throw. */
  async #save({ position, pages, header }: SnapshotSource, complete: () => void): Promise<void> {
    const disk = this.#held();
    if (this.#saving !== undefined) throw new StoreError(`the snapshot at ${this.#saving} is being saved`);
    this.#saving = position;
    try {
      disk.closedCleanly = false;
      disk.dropSnapshot(position);
      const term = this.#term;
      const written: Uint8Array[] = [];
      for await (const page of pages) {
        this.#requireTerm(term);
        written.push(page instanceof Uint8Array ? copyBytes(page) : disk.share(page));
      }
      this.#requireTerm(term);
      const last = header();
      requireSnapshotHeader(last, position);
      complete();
      disk.closedCleanly = false;
      disk.keepSnapshot({ position, header: copyBytes(last), pages: written });
    } finally {
      this.#saving = undefined;
    }
  }

  #requireTerm(term: number): void {
    this.#held();
    if (term !== this.#term) throw new StoreError("this memory store was opened anew while a snapshot was saved");
  }

  #held(): MemoryDisk {
    if (this.#disk.holder !== this) throw new StoreClosedError("this memory store is not open");
    return this.#disk;
  }
}

/** Throws: `JournalGapError`. */
function chainHashAt(disk: MemoryDisk, position: number): Uint8Array | undefined {
  const gap = disk.gap();
  if (position === gap?.upTo.position) return gap.upTo.chainHash;
  requireOutside(gap, position);
  return disk.chainHashAt(position);
}

function copyBatch(batch: StoredBatch): StoredBatch {
  return {
    firstPosition: batch.firstPosition,
    lastPosition: batch.lastPosition,
    frame: copyBytes(batch.frame),
    previousHash: copyBytes(batch.previousHash),
    chainHash: copyBytes(batch.chainHash),
  };
}

function copySnapshot({ position, header, pages }: StoredSnapshot): StoredSnapshot {
  return { position, header: copyBytes(header), pages: pages.map(copyBytes) };
}

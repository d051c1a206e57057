import type {
  JournalStore,
  ReadLimits,
  SnapshotSource,
  StoredBatch,
  StoredSnapshot,
  StoreGap,
  StoreLease,
  StoreRoom,
  StoreState,
} from "@bank/store";

/** An append that waits for the test. */
export interface HeldAppend {
  readonly batches: readonly StoredBatch[];
  readonly epoch: number;
  /** Hands it on to the inner store. */
  pass(): void;
  /** Fails it without handing it on. */
  fail(error: Error): void;
}

type Hooked = "batchAt" | "close" | "fence" | "initialize" | "read" | "recover" | "saveSnapshot";

/** A store whose appends wait for the test, and whose other methods can be made to fail or wait. */
export class HeldStore implements JournalStore {
  /** Appends that wait, oldest first. */
  readonly held: HeldAppend[] = [];
  /** Whether appends wait. */
  holds = false;
  /** What to do first in a method; a rejection is the method's. */
  readonly before: Partial<Record<Hooked, () => Promise<void>>> = {};
  /** How often each method was called. */
  readonly calls: Record<Hooked | "append", number> = {
    append: 0,
    batchAt: 0,
    close: 0,
    fence: 0,
    initialize: 0,
    read: 0,
    recover: 0,
    saveSnapshot: 0,
  };
  private readonly inner: JournalStore;

  constructor(inner: JournalStore) {
    this.inner = inner;
  }

  get engine(): string {
    return `held ${this.inner.engine}`;
  }

  get lease(): StoreLease | undefined {
    return this.inner.lease;
  }

  get room(): StoreRoom | undefined {
    return this.inner.room;
  }

  get warnings(): readonly string[] | undefined {
    return this.inner.warnings;
  }

  /** Hands the oldest waiting append on. Throws: where none waits. */
  passNext(): void {
    this.takeHeld().pass();
  }

  /** Fails the oldest waiting append. Throws: where none waits. */
  failNext(error: Error): void {
    this.takeHeld().fail(error);
  }

  append(batches: readonly StoredBatch[], options: { readonly epoch: number }): Promise<void> {
    this.calls.append++;
    if (!this.holds) return this.inner.append(batches, options);
    return new Promise<void>((resolve, reject) => {
      this.held.push({
        batches,
        epoch: options.epoch,
        pass: () => {
          this.inner.append(batches, options).then(resolve, reject);
        },
        fail: reject,
      });
    });
  }

  open(): Promise<StoreState> {
    return this.inner.open();
  }

  async initialize(bankId: Uint8Array): Promise<void> {
    await this.enter("initialize");
    await this.inner.initialize(bankId);
  }

  async fence(epoch: number): Promise<void> {
    await this.enter("fence");
    await this.inner.fence(epoch);
  }

  async read(afterPosition: number, limits?: ReadLimits): Promise<readonly StoredBatch[]> {
    await this.enter("read");
    return this.inner.read(afterPosition, limits);
  }

  async batchAt(position: number): Promise<StoredBatch | undefined> {
    await this.enter("batchAt");
    return this.inner.batchAt(position);
  }

  chainHashAt(position: number): Promise<Uint8Array | undefined> {
    return this.inner.chainHashAt(position);
  }

  async saveSnapshot(snapshot: SnapshotSource): Promise<void> {
    await this.enter("saveSnapshot");
    await this.inner.saveSnapshot(snapshot);
  }

  snapshotPositions(): Promise<readonly number[]> {
    return this.inner.snapshotPositions();
  }

  loadSnapshot(position: number): Promise<StoredSnapshot | undefined> {
    return this.inner.loadSnapshot(position);
  }

  async seed(snapshot: SnapshotSource, chainHash: Uint8Array): Promise<void> {
    return this.inner.seed(snapshot, chainHash);
  }

  async fill(batches: readonly StoredBatch[]): Promise<void> {
    return this.inner.fill(batches);
  }

  gap(): Promise<StoreGap | undefined> {
    return this.inner.gap();
  }

  snapshotHeader(position: number): Promise<Uint8Array | undefined> {
    return this.inner.snapshotHeader(position);
  }

  snapshotPage(position: number, pageNumber: number): Promise<Uint8Array | undefined> {
    return this.inner.snapshotPage(position, pageNumber);
  }

  async recover(): Promise<StoreState> {
    await this.enter("recover");
    return this.inner.recover();
  }

  async close(): Promise<void> {
    await this.enter("close");
    await this.inner.close();
  }

  private async enter(method: Hooked): Promise<void> {
    this.calls[method]++;
    await this.before[method]?.();
  }

  private takeHeld(): HeldAppend {
    const held = this.held.shift();
    if (held === undefined) throw new Error("no append waits");
    return held;
  }
}

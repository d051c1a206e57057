import { AppendRefusedError, AppendUnknownError } from "../errors.ts";
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
} from "../port.ts";

/** How an ordered append fails. */
export type AppendFault =
  /** `AppendRefusedError`; nothing is stored. */
  | "refused"
  /** `AppendUnknownError`; nothing is stored. */
  | "unknown-lost"
  /** `AppendUnknownError`; the batches are stored and reads show them at once. */
  | "unknown-stored"
  /**
   * `AppendUnknownError`; the batches are stored, but reads show them only after `recover`, or to the next process after
   * a crash (`surface`). Real files behave so after an error in fsync.
   */
  | "unknown-surfacing";

/**
 * A store for tests whose appends fail as ordered. After an unknown one it takes no write until `recover`, as the port
 * demands. Everything else is the inner store's doing.
 */
export class FaultyStore implements JournalStore {
  readonly #inner: JournalStore;
  readonly #faults: AppendFault[] = [];
  #doubt: AppendUnknownError | undefined;
  #hidden: { readonly batches: readonly StoredBatch[]; readonly epoch: number } | undefined;

  constructor(inner: JournalStore) {
    this.#inner = inner;
  }

  get engine(): string {
    return `faulty ${this.#inner.engine}`;
  }

  get lease(): StoreLease | undefined {
    return this.#inner.lease;
  }

  get room(): StoreRoom | undefined {
    return this.#inner.room;
  }

  /** Orders the fault of the next append that has none ordered yet: two calls fail the next two. */
  failNextAppend(fault: AppendFault): void {
    this.#faults.push(fault);
  }

  /** Whether every ordered fault has happened. A test that ends with one left did not test it. */
  get faultsSpent(): boolean {
    return this.#faults.length === 0;
  }

  /** Stores what an "unknown-surfacing" fault hid. `recover` does it; call it before ending this store as by a crash. */
  async surface(): Promise<void> {
    if (this.#hidden === undefined) return;
    const { batches, epoch } = this.#hidden;
    await this.#inner.append(batches, { epoch });
    this.#hidden = undefined;
  }

  async append(batches: readonly StoredBatch[], options: { readonly epoch: number }): Promise<void> {
    this.#requireNoDoubt();
    switch (this.#faults.shift()) {
      case undefined:
        return this.#inner.append(batches, options);
      case "refused":
        throw new AppendRefusedError("refused as ordered by a test");
      case "unknown-lost":
        throw this.#beginDoubt();
      case "unknown-stored":
        await this.#inner.append(batches, options);
        throw this.#beginDoubt();
      case "unknown-surfacing":
        this.#hidden = { batches: [...batches], epoch: options.epoch };
        throw this.#beginDoubt();
    }
  }

  async recover(): Promise<StoreState> {
    await this.surface();
    const state = await this.#inner.recover();
    this.#doubt = undefined;
    return state;
  }

  async initialize(bankId: Uint8Array): Promise<void> {
    this.#requireNoDoubt();
    return this.#inner.initialize(bankId);
  }

  async fence(epoch: number): Promise<void> {
    this.#requireNoDoubt();
    return this.#inner.fence(epoch);
  }

  async saveSnapshot(snapshot: SnapshotSource): Promise<void> {
    this.#requireNoDoubt();
    const check = () => this.#requireNoDoubt();
    const { position, pages } = snapshot;
    const checked = async function* () {
      for await (const page of pages) {
        check();
        yield page;
      }
    };
    return this.#inner.saveSnapshot({
      position,
      pages: checked(),
      header: () => {
        check();
        return snapshot.header();
      },
    });
  }

  open(): Promise<StoreState> {
    return this.#inner.open();
  }

  read(afterPosition: number, limits?: ReadLimits): Promise<readonly StoredBatch[]> {
    return this.#inner.read(afterPosition, limits);
  }

  batchAt(position: number): Promise<StoredBatch | undefined> {
    return this.#inner.batchAt(position);
  }

  chainHashAt(position: number): Promise<Uint8Array | undefined> {
    return this.#inner.chainHashAt(position);
  }

  snapshotPositions(): Promise<readonly number[]> {
    return this.#inner.snapshotPositions();
  }

  loadSnapshot(position: number): Promise<StoredSnapshot | undefined> {
    return this.#inner.loadSnapshot(position);
  }

  async seed(snapshot: SnapshotSource, chainHash: Uint8Array): Promise<void> {
    this.#requireNoDoubt();
    return this.#inner.seed(snapshot, chainHash);
  }

  async fill(batches: readonly StoredBatch[]): Promise<void> {
    this.#requireNoDoubt();
    return this.#inner.fill(batches);
  }

  gap(): Promise<StoreGap | undefined> {
    return this.#inner.gap();
  }

  snapshotHeader(position: number): Promise<Uint8Array | undefined> {
    return this.#inner.snapshotHeader(position);
  }

  snapshotPage(position: number, pageNumber: number): Promise<Uint8Array | undefined> {
    return this.#inner.snapshotPage(position, pageNumber);
  }

  async close(): Promise<void> {
    this.#doubt = undefined;
    await this.#inner.close();
  }

  #beginDoubt(): AppendUnknownError {
    this.#doubt = new AppendUnknownError("unknown as ordered by a test");
    return this.#doubt;
  }

  #requireNoDoubt(): void {
    if (this.#doubt === undefined) return;
    throw new AppendUnknownError("an earlier append is in doubt: recover the store first", { cause: this.#doubt });
  }
}

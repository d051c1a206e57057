import {
  type AppendOptions,
  type JournalStore,
  LeaseLostError,
  type MemoryDisk,
  MemoryJournalStore,
  type StoredBatch,
  StoreError,
  type StoreLease,
  type StoreState,
} from "@bank/store";

/** A store in memory that several servers reach, of which the last to open it has the lease. A test says when its time passes. */
export class LeasedStore extends MemoryJournalStore implements JournalStore {
  override readonly engine = "memory";
  /** The server does not answer. */
  isAway = false;
  /** So many recoveries take the lease, and fail then. */
  halfRecoveries = 0;
  confirmed = 0;
  readonly told: string[] = [];
  /** Of the server that was found at the last opening. */
  warnings: readonly string[] = [];
  private readonly disk: MemoryDisk;
  private isRecovered = true;
  private held: { readonly lease: StoreLease; readonly lost: AbortController } | undefined;

  constructor(disk: MemoryDisk) {
    super(disk);
    this.disk = disk;
  }

  get lease(): StoreLease | undefined {
    return this.held?.lease;
  }

  /** Its time passes without a sign of life that was acknowledged. */
  expire(): void {
    this.held?.lost.abort(new LeaseLostError("it could not be renewed in time"));
  }

  override async open(): Promise<StoreState> {
    const state = await super.open();
    this.take();
    return state;
  }

  override async recover(): Promise<StoreState> {
    this.isRecovered = true;
    this.requireThere();
    if (this.disk.holder !== this) throw this.taken();
    const state = await super.recover();
    if (this.held?.lost.signal.aborted) this.take();
    this.isRecovered = this.halfRecoveries-- <= 0;
    this.requireThere();
    return state;
  }

  override async append(batches: readonly StoredBatch[], options: AppendOptions): Promise<void> {
    if (this.held?.lost.signal.aborted || this.disk.holder !== this) throw this.taken();
    await super.append(batches, options);
  }

  private take(): void {
    const lost = new AbortController();
    const ask = async () => {
      this.requireThere();
      if (!lost.signal.aborted && this.disk.holder !== this) lost.abort(this.taken());
      lost.signal.throwIfAborted();
    };
    const lease = {
      lost: lost.signal,
      confirm: async () => {
        this.confirmed++;
        await ask();
      },
      announce: async (address: string) => {
        await ask();
        this.told.push(address);
      },
    };
    this.held = { lease, lost };
  }

  private requireThere(): void {
    if (this.isAway || !this.isRecovered) throw new StoreError("the server does not answer");
  }

  private taken(): LeaseLostError {
    return new LeaseLostError("another server has it", { holder: "http://the-other:1" });
  }
}

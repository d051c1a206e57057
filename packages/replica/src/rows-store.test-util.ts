import {
  type AccountRow,
  type AppendOptions,
  type JournalStore,
  MemoryDisk,
  MemoryJournalStore,
  type ShownAccount,
  type StoredBatch,
} from "@bank/store";
import { deposit, type ManualPlatform, type Random, request } from "@bank/testkit";
import { BankReplica } from "./bank-replica.ts";
import { liveRandomly } from "./random-life.test-util.ts";

/** A bank that nobody witnesses, whose failure is the test's. */
export function openRowsBank(store: JournalStore, platform: ManualPlatform): Promise<BankReplica> {
  return BankReplica.open({
    store,
    platform,
    snapshotEveryRecords: 50,
    askWitnesses: async () => [],
    acceptLoss: false,
    raiseFormatLevel: true,
    onFatal: (error) => {
      throw error;
    },
    onCommitted: () => undefined,
  });
}

/** A random life of so many steps, behind which every hold has ended that was to. */
export async function liveOn(
  bank: BankReplica,
  { platform, random, steps }: { readonly platform: ManualPlatform; readonly random: Random; readonly steps: number },
): Promise<void> {
  await liveRandomly(bank, random, steps);
  platform.advance(200);
  await bank.submit([request(random.below(2 ** 30), deposit(1, 1))]);
}

/** Rows of accounts beside a disk in memory. */
export class RowsDisk extends MemoryDisk {
  /** By number; what a row's terms do not name stays as it was. */
  readonly rows = new Map<string, Record<string, string>>();
  position: number | undefined = 0;
  /** How often all were written anew. */
  replaced = 0;
}

/** A memory store that keeps rows of accounts as a server would. */
export class RowsStore extends MemoryJournalStore {
  readonly #disk: RowsDisk;

  constructor(disk: RowsDisk) {
    super(disk);
    this.#disk = disk;
  }

  override async append(batches: readonly StoredBatch[], options: AppendOptions): Promise<void> {
    const rows = [...(options.accounts?.() ?? [])];
    const before = this.#disk.head()?.position ?? 0;
    await super.append(batches, options);
    for (const row of rows) this.#set(row);
    if (this.#disk.position === before) this.#disk.position = this.#disk.head()?.position ?? 0;
  }

  async accountsPosition(): Promise<number | undefined> {
    return this.#disk.position;
  }

  async replaceAccounts(position: number, accounts: Iterable<AccountRow>): Promise<void> {
    this.#disk.rows.clear();
    for (const row of accounts) this.#set(row);
    this.#disk.position = position;
    this.#disk.replaced++;
  }

  async *shownAccounts(): AsyncGenerator<ShownAccount> {
    for (const [number, fields] of this.#disk.rows) yield { number, fields };
  }

  #set({ number, terms, posted, held, version }: AccountRow): void {
    const money = { posted: String(posted), held: String(held), version: String(version) };
    this.#disk.rows.set(number, { ...this.#disk.rows.get(number), ...terms, ...money });
  }
}

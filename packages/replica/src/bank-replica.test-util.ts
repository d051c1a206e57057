import { MemoryDisk, MemoryJournalStore } from "@bank/store";
import { FaultyStore } from "@bank/store/testing";
import { deposit, HeldStore, ManualPlatform, openAccount, readWholeJournal, request } from "@bank/testkit";
import { type BankOptions, BankReplica } from "./bank-replica.ts";
import type { FollowerHead } from "./journal-feed.ts";
import type { Witness } from "./witness.ts";

/** A bank over a memory store whose appends a test can hold and fail. */
export interface OpenedBank {
  readonly bank: BankReplica;
  readonly disk: MemoryDisk;
  readonly faulty: FaultyStore;
  readonly store: HeldStore;
  readonly platform: ManualPlatform;
  readonly heads: FollowerHead[];
  readonly fatal: unknown[];
}

export type OpenOptions = Partial<Omit<BankOptions, "platform" | "store">> & {
  readonly disk?: MemoryDisk;
  readonly platform?: ManualPlatform;
  readonly store?: HeldStore;
};

/** Opens a bank on a disk; whoever had the disk before is taken to have crashed. */
export async function openBank(options: OpenOptions = {}): Promise<OpenedBank> {
  const { disk = new MemoryDisk(), ...rest } = options;
  disk.holder = undefined;
  const faulty = new FaultyStore(new MemoryJournalStore(disk));
  const store = options.store ?? new HeldStore(faulty);
  const platform = options.platform ?? new ManualPlatform({ seed: disk.epoch + 1 });
  const heads: FollowerHead[] = [];
  const fatal: unknown[] = [];
  const bank = await BankReplica.open({
    snapshotEveryRecords: 1_000_000,
    askWitnesses: async () => [],
    acceptLoss: false,
    raiseFormatLevel: false,
    onFatal: (error) => fatal.push(error),
    onCommitted: (head) => heads.push(head),
    ...rest,
    store,
    platform,
  });
  return { bank, disk, faulty, store, platform, heads, fatal };
}

/** Takes the newest batches off a disk, as a file system that lies about fsync does. */
export function cutOff(disk: MemoryDisk, count: number): void {
  disk.holder = undefined;
  disk.batches.splice(disk.batches.length - count);
  const end = disk.head()?.position ?? 0;
  disk.snapshots = disk.snapshots.filter(({ position }) => position <= end);
}

/** An account, and so many deposits, each in a batch of its own. */
export async function book({ bank }: OpenedBank, deposits: number, firstId = 1): Promise<void> {
  if (bank.ledger.nextAccountNumber === 1) await bank.submit([request(999_999, openAccount())]);
  for (let i = 0; i < deposits; i++) await bank.submit([request(firstId + i, deposit(1, 1))]);
}

export async function journalOf(disk: MemoryDisk, bankId: Uint8Array) {
  disk.holder = undefined;
  const store = new MemoryJournalStore(disk);
  await store.open();
  const journal = await readWholeJournal(store, bankId);
  await store.close();
  return journal;
}

/** What a branch that has all of this bank's journal would testify. */
export async function witnessOf({ bank }: OpenedBank, name = "branch 1 at http://north"): Promise<Witness> {
  const { position, chainHash, epochId } = await bank.head(0);
  return { name, position, chainHash: chainHash!, epochId: epochId! };
}

import { MemoryDisk, MemoryJournalStore } from "@bank/store";
import { FaultyStore } from "@bank/store/testing";
import { HeldStore, ManualPlatform } from "@bank/testkit";
import { type BankOptions, BankReplica } from "./bank-replica.ts";
import type { FollowerHead } from "./journal-feed.ts";

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

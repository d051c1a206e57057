import type { Request } from "@bank/core";
import { MemoryDisk, MemoryJournalStore } from "@bank/store";
import { FaultyStore } from "@bank/store/testing";
import { HeldStore, type LocalLink, type LocalResult, ManualPlatform } from "@bank/testkit";
import { BranchReplica } from "./branch-replica.ts";
import type { FollowerState } from "./follower.ts";

/** A branch over a memory store whose appends a test can hold and fail. */
export interface OpenedBranch {
  readonly branch: BranchReplica<Request, LocalResult>;
  readonly disk: MemoryDisk;
  readonly faulty: FaultyStore;
  readonly store: HeldStore;
  readonly platform: ManualPlatform;
  readonly states: FollowerState[];
  readonly fatal: unknown[];
}

/** Opens a branch on a disk, and starts it; whoever had the disk before is taken to have crashed. */
export async function openBranch(options: {
  readonly link: LocalLink;
  readonly disk?: MemoryDisk;
  readonly platform?: ManualPlatform;
  readonly snapshotEveryRecords?: number;
  readonly starts?: boolean;
}): Promise<OpenedBranch> {
  const { link, disk = new MemoryDisk(), platform = new ManualPlatform({ seed: 77 }) } = options;
  disk.holder = undefined;
  const faulty = new FaultyStore(new MemoryJournalStore(disk));
  const store = new HeldStore(faulty);
  const states: FollowerState[] = [];
  const fatal: unknown[] = [];
  const branch = await BranchReplica.open<Request, LocalResult>({
    branchNumbers: [1],
    store,
    platform,
    link,
    snapshotEveryRecords: options.snapshotEveryRecords ?? 1_000_000,
    onStateChange: (state) => states.push(state),
    onFatal: (error) => fatal.push(error),
  });
  if (options.starts ?? true) branch.start();
  return { branch, disk, faulty, store, platform, states, fatal };
}

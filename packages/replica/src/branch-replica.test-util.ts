import type { Request } from "@bank/core";
import { MemoryDisk, MemoryJournalStore } from "@bank/store";
import { FaultyStore } from "@bank/store/testing";
import {
  deposit,
  HeldStore,
  LocalLink,
  type LocalResult,
  ManualPlatform,
  openAccount,
  request,
  until,
} from "@bank/testkit";
import { vi } from "vitest";
import { type OpenedBank, openBank } from "./bank-replica.test-util.ts";
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
  /** As often as its journal turned out to go on in another way than the bank's. */
  readonly contradicted: true[];
}

let copies = 0;

/** 16 bytes that no other copy of this test has. */
export function newCopyId(): Uint8Array {
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(0, ++copies);
  return id;
}

/** Opens a branch on a disk, and starts it; whoever had the disk before is taken to have crashed. */
export async function openBranch(options: {
  readonly link: LocalLink;
  readonly disk?: MemoryDisk;
  readonly platform?: ManualPlatform;
  readonly snapshotEveryRecords?: number;
  readonly starts?: boolean;
  /** What it shows is saved at once where it is not said: a test's time stands still. */
  readonly saveWithinMs?: number;
  /** 1 where it is not said. */
  readonly number?: number;
  /** One of its own where it is not said. */
  readonly copyId?: Uint8Array;
}): Promise<OpenedBranch> {
  const { link, disk = new MemoryDisk(), platform = new ManualPlatform({ seed: 77 }) } = options;
  disk.holder = undefined;
  const faulty = new FaultyStore(new MemoryJournalStore(disk));
  const store = new HeldStore(faulty);
  const states: FollowerState[] = [];
  const fatal: unknown[] = [];
  const contradicted: true[] = [];
  const branch = await BranchReplica.open<Request, LocalResult>({
    branchNumbers: [options.number ?? 1],
    copyId: options.copyId ?? newCopyId(),
    upstream: "the bank of this test",
    store,
    platform,
    link,
    snapshotEveryRecords: options.snapshotEveryRecords ?? 1_000_000,
    saveWithinMs: options.saveWithinMs ?? 0,
    onStateChange: (state) => states.push(state),
    onContradicted: () => contradicted.push(true),
    onFatal: (error) => fatal.push(error),
  });
  if (options.starts ?? true) branch.start();
  return { branch, disk, faulty, store, platform, states, fatal, contradicted };
}

/** A branch and its bank. */
export interface Pair {
  readonly opened: OpenedBank;
  readonly bank: OpenedBank["bank"];
  readonly link: LocalLink;
  readonly at: OpenedBranch;
  readonly branch: OpenedBranch["branch"];
}

/** A bank with one account and 100 in it, and a branch that has caught up. */
export async function startPair(): Promise<Pair> {
  const opened = await openBank();
  const { bank } = opened;
  await bank.submit([request(900_001, openAccount()), request(900_002, deposit(1, 100))]);
  const link = new LocalLink(bank);
  const at = await openBranch({ link });
  await caughtUp(at, opened);
  return { opened, bank, link, at, branch: at.branch };
}

export async function caughtUp({ branch, platform }: OpenedBranch, { bank }: OpenedBank): Promise<void> {
  await until(() => branch.savedPosition === bank.committedPosition && branch.state === "following", {
    platform,
    what: "the branch to catch up",
  });
}

export async function lost({ link, branch, at }: Pair): Promise<void> {
  link.break();
  await until(() => branch.state === "connecting", { platform: at.platform });
}

/** From now on the journal's streams bring news alone; those that are there end as they begin anew. */
export function stallStreams({ feed }: Pair["bank"]): { mockRestore(): void } {
  const messages = feed.messages.bind(feed);
  return vi.spyOn(feed, "messages").mockImplementation(async function* (after, signal) {
    for await (const message of messages(after, signal)) if (message.batch === undefined) yield message;
  });
}

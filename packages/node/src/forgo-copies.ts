import type { BranchNumber, Position } from "@bank/core";
import { RecordKind } from "@bank/core";
import { type Log, recover } from "@bank/replica";
import { openStore } from "@bank/store";
import { nodePlatform } from "./platform.ts";
import { bankStoreUrl, requireFinished } from "./promotion-file.ts";
import { SupersededFile } from "./superseded-file.ts";
import { SYSTEM_ACTED, writeEpoch } from "./write-epoch.ts";

export interface ForgoOptions {
  /** The bank's data folder. No server may be using it. */
  readonly dataDir: string;
  readonly store?: string;
  readonly log: Log;
}

/** What `forgoCopies` did. */
export interface Forgone {
  /** Behind this position the new epoch begins. */
  readonly position: Position;
  /** Its number. */
  readonly epoch: number;
  /** How many copies a write had to be on, and whose. */
  readonly before: { readonly copies: number; readonly branches: readonly BranchNumber[] };
}

/**
 * Lets a bank go on whose copies that count are lost for good, by the operator's word: begins an epoch in which none count,
 * without asking one. What is on the bank's own disk is committed from then on, all of it. The number is the next one, not
 * one of the next million: where such a copy was made a bank meanwhile, that one is the newer.
 * Rejects where none count; with `SupersededError` where another bank is known to have taken its place;
 * `StoreLockedError` while the bank runs; `CorruptStoreError`.
 */
export async function forgoCopies(options: ForgoOptions): Promise<Forgone> {
  const { dataDir, log } = options;
  const platform = nodePlatform(log);
  const store = openStore(bankStoreUrl(dataDir, options.store));
  const { bankId } = await store.open();
  try {
    if (bankId === undefined) throw new Error(`no bank lives in ${dataDir}`);
    const { replay, durability: settled } = await recover(store, bankId, platform);
    const { ledger } = replay;
    const newest = ledger.currentEpoch()?.number ?? 0;
    new SupersededFile(dataDir).check(newest);
    requireFinished(dataDir, ledger);
    // A start waits for both: what counts for certain, and what the end of the journal says.
    const before = ledger.durability.copies > 0 ? ledger.durability : settled;
    if (before.copies === 0) throw new Error("no copies count: start the bank as usual");
    const { position } = ledger;
    const epoch = newest + 1;
    const none = { ...SYSTEM_ACTED, kind: RecordKind.DURABILITY_SET, copies: 0, members: [] } as const;
    // The last one says that those before it are committed.
    const behind = [none, { ...SYSTEM_ACTED, kind: RecordKind.TIME_TICKED } as const];
    await writeEpoch(store, replay, platform, { number: epoch, lossAccepted: false }, behind);
    const branches = before.members.map(({ branch }) => branch);
    return { position, epoch, before: { copies: before.copies, branches } };
  } finally {
    await store.close();
  }
}

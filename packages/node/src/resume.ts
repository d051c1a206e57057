import { nextLine, type Position } from "@bank/core";
import { isSuperseded, type Log, recover } from "@bank/replica";
import { openStore } from "@bank/store";
import { nodePlatform } from "./platform.ts";
import { bankStoreUrl } from "./promotion-file.ts";
import { holdsJournal } from "./store-tools.ts";
import { SupersededFile } from "./superseded-file.ts";
import { writeEpoch } from "./write-epoch.ts";

export interface ResumeOptions {
  /** The bank's data folder. No server may be using it. */
  readonly dataDir: string;
  readonly store?: string;
  readonly log: Log;
}

/** What `resume` did. */
export interface Resumed {
  /** Behind this position the new epoch begins. */
  readonly position: Position;
  /** Its number. */
  readonly epoch: number;
}

/**
 * Lets a bank start again that was told of a newer one, or was copied to another store, by the operator's word that there is none: begins an epoch whose
 * number is higher than all that was heard of, so that it is not stopped by the same word again.
 * Rejects where the bank was not told so, and where there is no bank.
 */
export async function resume(options: ResumeOptions): Promise<Resumed> {
  const { dataDir, log } = options;
  const storeUrl = bankStoreUrl(dataDir, options.store);
  if (!holdsJournal(storeUrl)) throw new Error(`no bank lives in ${dataDir}`);
  const file = new SupersededFile(dataDir);
  const superseded = file.read();
  const platform = nodePlatform(log);
  const store = openStore(storeUrl);
  const { bankId, epoch: fencedTo } = await store.open();
  try {
    if (bankId === undefined) throw new Error(`no bank lives in ${dataDir}`);
    const { replay } = await recover(store, bankId, platform);
    const { position } = replay.ledger;
    const newest = replay.ledger.currentEpoch()?.number ?? 0;
    if (superseded === undefined && !isSuperseded(fencedTo, newest))
      throw new Error(`the bank of ${dataDir} has heard of no newer one: start it as usual`);
    const epoch = nextLine(Math.max(superseded?.newer ?? 0, fencedTo, newest));
    await writeEpoch(store, replay, platform, { number: epoch, lossAccepted: false });
    file.remove();
    return { position, epoch };
  } finally {
    await store.close();
  }
}

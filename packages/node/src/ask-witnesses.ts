import { bytesEqual, type EpochBegunRecord, type Ledger, type LedgerRecord, nextLine, RecordKind } from "@bank/core";
import { decodeFrame } from "@bank/journal";
import type { Platform, Witness } from "@bank/replica";
import type { JournalStore } from "@bank/store";
import type { AnchorFile } from "./anchor-file.ts";
import { askBranches } from "./ask-branches.ts";
import { indexOfEpoch, lossWasGivenUp } from "./given-up.ts";
import type { Testimony } from "./warm-standby.ts";

/** How long a start waits for branches to tell how far the journal once went. */
export const WITNESS_TIMEOUT_MS = 5_000;
/** How long at the most where this very process has followed the bank until now: customers wait. */
const TAKE_OVER_TIMEOUT_MS = 1_000;
/** What a process saw of the journal up to so long ago is all of it, but for what came while the leader was being lost. */
const FRESH_MS = 10_000;

export interface AskWitnessesOptions {
  /** The open store that the ledger was recovered from. */
  readonly store: JournalStore;
  /** undefined where none is kept. */
  readonly anchor: AnchorFile | undefined;
  /** What this very process has seen of another's journal; undefined for nothing. */
  readonly seen?: Testimony | undefined;
  /** Less at a take-over by a process that has followed the bank. */
  readonly timeoutMs?: number | undefined;
  /** Branches that must answer, however long it takes. */
  readonly required?: number | undefined;
  /** Told of the newest epoch that a branch knows, where it leaves this bank's behind. What it throws is thrown. */
  readonly onNewer?: ((newer: number) => void) | undefined;
  readonly platform: Platform;
}

/**
 * Asks everybody outside the journal who knows how far it once went: the anchor file, its branches, and this process itself where it
 * followed another server. Left out are those who only know what an operator has given up.
 */
export async function askWitnesses(ledger: Ledger, options: AskWitnessesOptions): Promise<readonly Witness[]> {
  const { store, anchor, seen, timeoutMs = WITNESS_TIMEOUT_MS, required = 0, platform } = options;
  const anchored = await anchor?.read();
  const bankId = await ownerOf(store);
  // One that was led astray has seen nothing of this bank. Of an empty store it is seen which bank was there.
  const isOwn = seen !== undefined && (bankId === undefined || bytesEqual(seen.bankId, bankId));
  // Then it is a witness itself, and those branches that are there answer at once. One that is not would hold up every take-over.
  const isFresh = isOwn && platform.monotonicMs() - seen.untilMs <= FRESH_MS;
  const asking = {
    timeoutMs: isFresh ? Math.min(timeoutMs, TAKE_OVER_TIMEOUT_MS) : timeoutMs,
    required,
    platform,
  };
  // A journal without a batch knows no branches.
  const testified = bankId === undefined ? [] : await askBranches(ledger, { bankId, ...asking });
  const newest = Math.max(0, ...testified.map(({ newestEpoch }) => newestEpoch));
  if (newest >= nextLine(ledger.currentEpoch()?.number ?? 0)) options.onNewer?.(newest);
  return [
    ...(anchored === undefined || wasGivenUp(ledger, anchored) ? [] : [anchored]),
    ...(!isOwn || wasGivenUp(ledger, seen) ? [] : [seen]),
    ...testified.filter(({ givenUp }) => !givenUp),
  ];
}

/** The anchor is written anew when a loss is accepted: one that names an epoch which is not here was written later. */
function wasGivenUp({ epochs }: Ledger, { position, epochId }: Witness): boolean {
  return indexOfEpoch(epochs, epochId) !== -1 && lossWasGivenUp(epochs, { position, epochId, acceptedLoss: undefined });
}

/** The bank whose journal it is, as its first epoch says. */
async function ownerOf(store: JournalStore): Promise<Uint8Array | undefined> {
  const first = await store.batchAt(1);
  return first && decodeFrame(first.frame).records.slice().find(isEpochBegun)?.bankId;
}

function isEpochBegun(record: LedgerRecord): record is EpochBegunRecord {
  return record.kind === RecordKind.EPOCH_BEGUN;
}

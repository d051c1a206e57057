import {
  assert,
  type EpochBegunRecord,
  type EpochEntry,
  type Ledger,
  type LedgerRecord,
  RecordKind,
  SYSTEM_PRINCIPAL,
} from "@bank/core";
import { applyBatch, encodeFrame, nextHash, type Replay } from "@bank/journal";
import type { Platform } from "@bank/replica";
import type { JournalStore, StoredBatch } from "@bank/store";

/** Format level of the record that says where a promotion came from. */
const ORIGIN_LEVEL = 3;

/** How an operator begins an epoch. */
export interface EpochBegun {
  readonly number: number;
  /** Whatever others hold behind the end of this journal is given up. */
  readonly lossAccepted: boolean;
  /** 16 bytes: copy id of the branch whose journal becomes the bank's; undefined for none. */
  readonly promotedFrom?: Uint8Array | undefined;
}

/** Who acts in the bank's own records. */
export const SYSTEM_ACTED = { principal: SYSTEM_PRINCIPAL, branch: 0, request: undefined } as const;

/**
 * Begins an epoch in a store that no server uses: its record and `behind` it further ones, each as a batch of its own, all
 * durable when this resolves. Every batch says that what comes before it is committed, by the operator's word: no copy is
 * asked to acknowledge it. The next start asks.
 * Rejects as `JournalStore.append`.
 */
export async function writeEpoch(
  store: JournalStore,
  replay: Replay,
  platform: Platform,
  { number, lossAccepted, promotedFrom }: EpochBegun,
  behind: readonly LedgerRecord[] = [],
): Promise<void> {
  const { ledger, bankId } = replay;
  const tellsOrigin = promotedFrom !== undefined && ledger.formatLevel >= ORIGIN_LEVEL;
  const epoch: EpochBegunRecord = {
    ...SYSTEM_ACTED,
    kind: RecordKind.EPOCH_BEGUN,
    number,
    id: platform.randomBytes(16),
    bankId,
    lossAccepted,
    ...(tellsOrigin ? { promotedFrom } : {}),
  };
  await appendRecords(store, replay, platform, [epoch, ...behind]);
}

/** Appends decided records to a store that no server uses, each as a batch of its own, all at once. */
export async function appendRecords(
  store: JournalStore,
  replay: Replay,
  platform: Platform,
  records: readonly LedgerRecord[],
): Promise<void> {
  const { ledger } = replay;
  const batches: StoredBatch[] = [];
  for (const record of records) {
    const committedPosition = ledger.position;
    const firstPosition = committedPosition + 1;
    // No time passes: what is due by now ends with the first batch of the server.
    const { timeMs } = ledger;
    applyBatch(ledger, timeMs, [record]);
    ledger.forgetUndo(ledger.position);
    const epochId = requireEpoch(ledger).id;
    const header = { epochId, firstPosition, timeMs, digestAfter: ledger.digestBytes(), committedPosition };
    const frame = encodeFrame(header, [record]);
    const previousHash = replay.chainHash;
    replay.chainHash = nextHash(platform.sha256, previousHash, frame);
    batches.push({ firstPosition, lastPosition: firstPosition, frame, previousHash, chainHash: replay.chainHash });
  }
  const { number } = requireEpoch(ledger);
  await store.fence(number);
  await store.append(batches, { epoch: number });
}

function requireEpoch(ledger: Ledger): EpochEntry {
  const epoch = ledger.currentEpoch();
  assert(epoch !== undefined, "a batch is written under an epoch");
  return epoch;
}

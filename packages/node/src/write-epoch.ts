import { type EpochBegunRecord, type LedgerRecord, RecordKind, SYSTEM_PRINCIPAL } from "@bank/core";
import { applyBatch, encodeFrame, nextHash, type Replay } from "@bank/journal";
import type { Platform } from "@bank/replica";
import type { JournalStore } from "@bank/store";

/** Format level of records that say where a promotion came from, and which copies count. */
export const PROMOTION_LEVEL = 3;

/** How an operator begins an epoch. */
export interface EpochBegun {
  readonly number: number;
  /** 16 bytes: copy id of the branch whose journal becomes the bank's; undefined for none. */
  readonly promotedFrom?: Uint8Array | undefined;
}

/** Who acts in the bank's own records. */
export const SYSTEM_ACTED = { principal: SYSTEM_PRINCIPAL, branch: 0, request: undefined } as const;

/**
 * Begins an epoch in a store that no server uses, which leaves behind whatever others hold behind the end of this journal:
 * its record and `behind` it further ones, as one batch, durable when this resolves. No copy is asked for its word: that is
 * for the next start.
 * Rejects as `JournalStore.append`.
 */
export async function writeEpoch(
  store: JournalStore,
  replay: Replay,
  platform: Platform,
  { number, promotedFrom }: EpochBegun,
  behind: readonly LedgerRecord[] = [],
): Promise<void> {
  const { ledger, bankId } = replay;
  const id = platform.randomBytes(16);
  const tellsOrigin = promotedFrom !== undefined && ledger.formatLevel >= PROMOTION_LEVEL;
  const epoch: EpochBegunRecord = {
    ...SYSTEM_ACTED,
    kind: RecordKind.EPOCH_BEGUN,
    number,
    id,
    bankId,
    lossAccepted: true,
    ...(tellsOrigin ? { promotedFrom } : {}),
  };
  const records = [epoch, ...behind];
  await store.fence(number);
  const committedPosition = ledger.position;
  const firstPosition = committedPosition + 1;
  // No time passes: what is due by now ends with the first batch of the server.
  const { timeMs } = ledger;
  applyBatch(ledger, timeMs, records);
  ledger.forgetUndo(ledger.position);
  const header = { epochId: id, firstPosition, timeMs, digestAfter: ledger.digestBytes(), committedPosition };
  const frame = encodeFrame(header, records);
  const previousHash = replay.chainHash;
  const chainHash = nextHash(platform.sha256, previousHash, frame);
  await store.append([{ firstPosition, lastPosition: ledger.position, frame, previousHash, chainHash }], {
    epoch: number,
  });
  replay.chainHash = chainHash;
}

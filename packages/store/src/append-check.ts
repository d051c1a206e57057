import { requireBatches, requireEpoch } from "./arguments.ts";
import { equalBytes, shortHex } from "./bytes.ts";
import { JournalConflictError, JournalGapError, PositionGapError, StaleEpochError, StoreError } from "./errors.ts";
import type { StoredBatch, StoreGap, StoreHead } from "./port.ts";

/** What a store knows when an append arrives. */
export interface AppendContext {
  readonly bankId: Uint8Array | undefined;
  /** The epoch that the store is fenced to. */
  readonly fencedEpoch: number;
  readonly head: StoreHead | undefined;
  /** The stored batch that begins at exactly this position. Asked only for positions up to the head's. */
  readonly storedAt: (firstPosition: number) => StoredBatch | undefined;
  readonly gap: StoreGap | undefined;
}

/**
 * The checks of `JournalStore.append`, in the order that the port documents. Gives those batches that are not stored
 * yet: a tail of the array, perhaps empty. After it, only the engine's own writing can fail.
 */
export function checkAppend(
  batches: readonly StoredBatch[],
  epoch: number,
  { bankId, fencedEpoch, head, storedAt, gap }: AppendContext,
): readonly StoredBatch[] {
  requireEpoch(epoch);
  requireBatches(batches);
  if (bankId === undefined)
    throw new StoreError("no bank lives in this store yet: initialize it before the first append");
  if (epoch < fencedEpoch) {
    throw new StaleEpochError(`epoch ${epoch} may no longer append: the store is fenced to epoch ${fencedEpoch}`);
  }
  const end = head?.position ?? 0;
  checkPositions(batches, end);

  let stored = 0;
  let hashBefore = head?.chainHash;
  for (const batch of batches) {
    if (batch.firstPosition <= end) {
      requireOutside(gap, batch.firstPosition);
      checkSame(batch, storedAt(batch.firstPosition));
      stored++;
      continue;
    }
    if (hashBefore !== undefined && !equalBytes(batch.previousHash, hashBefore)) {
      throw new JournalConflictError(
        `the batch at ${batch.firstPosition} continues chain hash ${shortHex(batch.previousHash)}, ` +
          `but the one before it ends with ${shortHex(hashBefore)}`,
      );
    }
    hashBefore = batch.chainHash;
  }
  return stored === 0 ? batches : batches.slice(stored);
}

/**
 * The checks of `JournalStore.fill`. Gives those batches that are not stored yet: a tail of the array, perhaps empty.
 *
 * @param storedAt the stored batch that begins at exactly this position.
 */
export function checkFill(
  batches: readonly StoredBatch[],
  gap: StoreGap | undefined,
  storedAt: (firstPosition: number) => StoredBatch | undefined,
): readonly StoredBatch[] {
  requireBatches(batches);
  let end: StoreHead | undefined = gap?.filled;
  let stored = 0;
  for (const batch of batches) {
    if (gap === undefined || batch.firstPosition <= (end?.position ?? gap.after)) {
      checkSame(batch, storedAt(batch.firstPosition));
      stored++;
      continue;
    }
    const before = end?.position ?? gap.after;
    if (batch.firstPosition !== before + 1)
      throw new PositionGapError(
        `what fills the gap ends at ${before}: a batch cannot begin at ${batch.firstPosition}`,
      );
    const continues = end === undefined || equalBytes(batch.previousHash, end.chainHash);
    const meets =
      batch.lastPosition < gap.upTo.position ||
      (batch.lastPosition === gap.upTo.position && equalBytes(batch.chainHash, gap.upTo.chainHash));
    if (!continues || !meets)
      throw new JournalConflictError(
        `the batch at ${batch.firstPosition} does not lead from what is before the gap to position ${gap.upTo.position} ` +
          `with chain hash ${shortHex(gap.upTo.chainHash)}`,
      );
    end = { position: batch.lastPosition, chainHash: batch.chainHash };
  }
  return stored === 0 ? batches : batches.slice(stored);
}

/** Throws: `JournalGapError` where nothing of this position may be shown. */
export function requireOutside(gap: StoreGap | undefined, position: number): void {
  if (gap === undefined || position <= gap.after || position > gap.upTo.position) return;
  const from = gap.filled?.position ?? gap.after;
  throw new JournalGapError(
    `position ${position} is not here yet: what lies before position ${gap.upTo.position + 1} has been fetched up to ${from}`,
  );
}

function checkPositions(batches: readonly StoredBatch[], end: number): void {
  const first = batches[0]?.firstPosition;
  if (first === undefined) return;
  if (first > end + 1) throw new PositionGapError(`the store ends at ${end}: a batch cannot begin at ${first}`);
  let before = first - 1;
  for (const batch of batches) {
    if (batch.firstPosition !== before + 1) {
      throw new PositionGapError(`behind ${before} a batch cannot begin at ${batch.firstPosition}`);
    }
    before = batch.lastPosition;
  }
}

function checkSame(batch: StoredBatch, stored: StoredBatch | undefined): void {
  const same =
    stored !== undefined &&
    stored.lastPosition === batch.lastPosition &&
    equalBytes(stored.chainHash, batch.chainHash) &&
    equalBytes(stored.previousHash, batch.previousHash) &&
    equalBytes(stored.frame, batch.frame);
  if (!same) throw new JournalConflictError(`position ${batch.firstPosition} is occupied by another batch`);
}

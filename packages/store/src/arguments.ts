import { PositionGapError, StoreError } from "./errors.ts";
import type { ReadLimits, StoredBatch, StoreState } from "./port.ts";
import { READ_LIMITS_DEFAULT } from "./port.ts";

export const BANK_ID_BYTES = 16;
export const HASH_BYTES = 32;

// These guard against bugs of callers, so they throw RangeErrors and no StoreErrors: nobody should handle them.

/** Throws: RangeError where this is no bank id. */
export function requireBankId(bankId: Uint8Array): void {
  if (bankId.length !== BANK_ID_BYTES)
    throw new RangeError(`a bank id has ${BANK_ID_BYTES} bytes, not ${bankId.length}`);
}

/** Throws: RangeError where this is no epoch number: an integer from 0. */
export function requireEpoch(epoch: number): void {
  if (!Number.isSafeInteger(epoch) || epoch < 0) throw new RangeError(`an epoch is an integer from 0, not ${epoch}`);
}

/** Throws: RangeError where this is no position: an integer from `from`. */
export function requirePosition(position: number, from: 0 | 1 = 1): void {
  if (!Number.isSafeInteger(position) || position < from) {
    throw new RangeError(`a position is a safe integer from ${from}, not ${position}`);
  }
}

/** Throws: RangeError where one of the batches cannot be a batch whatever the store holds. */
export function requireBatches(batches: readonly StoredBatch[]): void {
  for (const batch of batches) {
    requirePosition(batch.firstPosition);
    requirePosition(batch.lastPosition);
    if (batch.lastPosition < batch.firstPosition) {
      throw new RangeError(`a batch cannot end at ${batch.lastPosition}, before its begin at ${batch.firstPosition}`);
    }
    if (batch.previousHash.length !== HASH_BYTES || batch.chainHash.length !== HASH_BYTES) {
      throw new RangeError(`the hashes of the batch at ${batch.firstPosition} must have ${HASH_BYTES} bytes`);
    }
    if (batch.frame.length === 0) throw new RangeError(`the batch at ${batch.firstPosition} has an empty frame`);
  }
}

/** Throws: RangeError where this is no SHA-256. */
export function requireHash(hash: Uint8Array): void {
  if (hash.length !== HASH_BYTES) throw new RangeError(`a hash has ${HASH_BYTES} bytes, not ${hash.length}`);
}

/** Throws: RangeError where this cannot be the header of the snapshot at this position. */
export function requireSnapshotHeader(header: Uint8Array, position: number): void {
  if (header.length === 0) throw new RangeError(`the snapshot at ${position} has an empty header`);
}

/** The limits with defaults filled in. Throws: RangeError where they would never let a reader advance. */
export function completeLimits(limits: ReadLimits | undefined): Required<ReadLimits> {
  const { maxBytes, maxBatches } = { ...READ_LIMITS_DEFAULT, ...limits };
  if (!(maxBytes >= 0)) throw new RangeError(`maxBytes must be at least 0, not ${maxBytes}`);
  if (!(maxBatches >= 1)) throw new RangeError(`maxBatches must be at least 1, not ${maxBatches}`);
  return { maxBytes, maxBatches };
}

/** The checks of `JournalStore.seed`. Throws: RangeError; what `seed` rejects with. */
export function requireSeed(
  position: number,
  chainHash: Uint8Array,
  { bankId, head, gap }: Pick<StoreState, "bankId" | "head" | "gap">,
): void {
  requirePosition(position);
  if (chainHash.length !== HASH_BYTES) throw new RangeError(`a chain hash has ${HASH_BYTES} bytes`);
  if (bankId === undefined) throw new StoreError("no bank lives in this store yet: initialize it first");
  if (gap !== undefined) throw new StoreError(`the journal has a gap already, up to ${gap.upTo.position}`);
  if (position <= (head?.position ?? 0))
    throw new PositionGapError(`the journal goes to ${head?.position}: it cannot go on from a snapshot at ${position}`);
}

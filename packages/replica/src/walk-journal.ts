import { bytesEqual, type Position } from "@bank/core";
import { applyFrame, type Batch, JournalChainError, type Replay, type Sha256 } from "@bank/journal";
import type { JournalStore, ReadLimits, StoredBatch } from "@bank/store";
import { CorruptStoreError } from "@bank/store/errors";

/** So much of a journal is in memory at a time, and goes to another store in one step. */
const AT_ONCE: ReadLimits = { maxBytes: 2 * 1024 * 1024, maxBatches: 128 };
const ONE: ReadLimits = { maxBatches: 1 };

/**
 * All batches behind a position, some at a time. Where what is stored does not hold together, everything before that place
 * still comes, one by one, so that who counts along knows the position of the damage.
 * Rejects with: `CorruptStoreError` at the damage itself; what `JournalStore.read` rejects with.
 *
 * @param end the last position that is wanted: a batch end.
 */
export async function* walkJournal(
  store: JournalStore,
  after: Position,
  end: Position,
): AsyncGenerator<readonly StoredBatch[], void, undefined> {
  let position = after;
  let limits = AT_ONCE;
  while (position < end) {
    let batches: readonly StoredBatch[];
    try {
      batches = await store.read(position, limits);
    } catch (error) {
      if (!(error instanceof CorruptStoreError) || limits === ONE) throw error;
      limits = ONE;
      continue;
    }
    const last = batches.at(-1);
    if (last === undefined)
      throw new CorruptStoreError(`the journal ends at ${position}, and the store says that it goes to ${end}`);
    yield batches;
    position = last.lastPosition;
  }
}

/**
 * Applies the next stored batch with every check that there is of a frame, and sees besides that the store has it where it
 * belongs. Throws: as `applyFrame`.
 */
export function applyStored(replay: Replay, stored: StoredBatch, sha256: Sha256): Batch {
  const { ledger } = replay;
  if (stored.firstPosition !== ledger.position + 1)
    throw new JournalChainError(`behind position ${ledger.position} is stored what begins at ${stored.firstPosition}`);
  if (!bytesEqual(stored.previousHash, replay.chainHash))
    throw new JournalChainError(
      `the batch at ${stored.firstPosition} names another chain hash before it than there is`,
    );
  const batch = applyFrame(replay, stored, sha256);
  ledger.forgetUndo(ledger.position);
  if (stored.lastPosition !== ledger.position)
    throw new JournalChainError(
      `the batch at ${stored.firstPosition} ends at ${ledger.position}, and is stored as ending at ${stored.lastPosition}`,
    );
  return batch;
}

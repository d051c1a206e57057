import { bytesEqual, type EpochEntry, type Position, RecordKind } from "@bank/core";
import { decodeFrame, decodeHeader } from "@bank/journal";
import type { JournalStore } from "@bank/store";
import { CorruptStoreError } from "@bank/store/errors";

/** The end of a journal on disk. */
export interface SavedEnd {
  readonly position: Position;
  /** Number of the epoch of its last record; 0 where nothing is stored. */
  readonly epoch: number;
  /** 32 bytes; undefined where nothing is stored. */
  readonly chainHash: Uint8Array | undefined;
}

/**
 * The end of a store's journal.
 *
 * @param position where the newest batch ends that is on disk; 0 for none.
 * @param epochs the table of the state that is shown. What is stored behind it may have begun more.
 */
export async function savedEnd(
  store: JournalStore,
  position: Position,
  epochs: readonly EpochEntry[],
): Promise<SavedEnd> {
  if (position === 0) return { position, epoch: 0, chainHash: undefined };
  const batch = await store.batchAt(position);
  if (batch?.lastPosition !== position) throw new CorruptStoreError(`no batch ends at position ${position}`);
  const { epochId } = decodeHeader(batch.frame);
  const known = epochs.find(({ id }) => bytesEqual(id, epochId))?.number;
  const epoch = known ?? (await numberBehind(store, epochs.at(-1)?.firstPosition ?? 0, epochId));
  return { position, epoch, chainHash: batch.chainHash };
}

async function numberBehind(store: JournalStore, after: Position, epochId: Uint8Array): Promise<number> {
  for (let position = after; ; ) {
    const batches = await store.read(position);
    for (const { frame, lastPosition } of batches) {
      position = lastPosition;
      // An epoch begins with the first record of a batch.
      const [first] = bytesEqual(decodeHeader(frame).epochId, epochId) ? decodeFrame(frame).records : [];
      if (first?.kind === RecordKind.EPOCH_BEGUN) return first.number;
    }
    if (batches.length === 0) throw new CorruptStoreError("the newest epoch of the journal has no beginning");
  }
}

import { assert, type Position, RefusalError } from "@bank/core";
import { type Batch, decodeFrame } from "@bank/journal";
import type { JournalStore } from "@bank/store";
import { StoreClosedError } from "@bank/store/errors";
import { type CommittedRecord, recordOfBatch } from "./outcome.ts";

/** A stored batch, read and decoded. */
export interface ReadBatch {
  readonly batch: Batch;
  /** What its frame takes. */
  readonly bytes: number;
}

/**
 * Reads and decodes the batch with a position that is known to be stored.
 * Rejects with: what `JournalStore.batchAt` rejects with; `InvariantError` where the store lacks it.
 */
export async function readBatchAt(store: JournalStore, position: Position): Promise<ReadBatch> {
  const stored = await store.batchAt(position);
  assert(stored !== undefined, `the batch with position ${position} is in the store`);
  return { batch: decodeFrame(stored.frame), bytes: stored.frame.length };
}

/**
 * Gives the record of each position, each stored batch read and decoded once. All positions are known to be stored.
 * Rejects as `readBatchAt`.
 *
 * @param all in any order.
 * @param visit called by ascending position.
 */
export async function visitRecords<Asked extends { readonly position: Position }>(
  store: JournalStore,
  all: readonly Asked[],
  visit: (asked: Asked, record: CommittedRecord) => void,
): Promise<void> {
  let batch: Batch | undefined;
  for (const asked of [...all].sort((a, b) => a.position - b.position)) {
    const { position } = asked;
    if (batch === undefined || position >= batch.header.firstPosition + batch.header.count)
      batch = (await readBatchAt(store, position)).batch;
    const record = recordOfBatch(batch, position);
    assert(record !== undefined, `the batch has a record at position ${position}`);
    visit(asked, record);
  }
}

/** One record that is known to be stored. Rejects as `readBatchAt`. */
export async function readRecordAt(store: JournalStore, position: Position): Promise<CommittedRecord> {
  const record = recordOfBatch((await readBatchAt(store, position)).batch, position);
  assert(record !== undefined, `the batch has a record at position ${position}`);
  return record;
}

/** What was read for somebody outside, who may come while the store is not open: that is `RefusalError` NOT_READY. */
export async function forReader<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (cause) {
    if (!(cause instanceof StoreClosedError)) throw cause;
    throw new RefusalError("NOT_READY", { problem: "its journal is not open" }, "NOT_APPLIED", { cause });
  }
}

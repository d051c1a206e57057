import { assert } from "@bank/core";
import { type Batch, decodeFrame } from "@bank/journal";
import type { JournalStore } from "@bank/store";
import type { Replay } from "./execute-batch.ts";

/**
 * Looks up the answers of requests that were answered in earlier batches. Each of those is read and decoded once: a call
 * with thousands of requests is mostly retried as a whole.
 */
export async function answerReplays(store: JournalStore, replays: readonly Replay[]): Promise<void> {
  let batch: Batch | undefined;
  for (const { job, index, position } of [...replays].sort((a, b) => a.position - b.position)) {
    if (batch === undefined || position >= batch.header.firstPosition + batch.header.count) {
      const stored = await store.batchAt(position);
      assert(stored !== undefined, `the batch with position ${position} is in the store`);
      batch = decodeFrame(stored.frame);
    }
    const { header, records } = batch;
    const record = records[position - header.firstPosition];
    assert(record !== undefined, `the batch has a record at position ${position}`);
    job.answer(index, { kind: "answered", record, position, timeMs: header.timeMs, replayed: true });
  }
}

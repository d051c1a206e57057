import type { JournalStore } from "@bank/store";
import type { Replay } from "./executed-batch.ts";
import { visitRecords } from "./stored-records.ts";

/**
 * Looks up the answers of requests that were answered in earlier batches. Each of those is read and decoded once: a call
 * with thousands of requests is mostly retried as a whole.
 */
export async function answerReplays(store: JournalStore, replays: readonly Replay[]): Promise<void> {
  await visitRecords(store, replays, ({ job, index }, record) => {
    job.answer(index, { ...record, kind: "answered", replayed: true });
  });
}

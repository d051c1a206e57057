import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { measureBlocking, measureBlocks } from "../harness/blocking.ts";
import type { Measurement } from "../report/result.ts";

/** What a batch of about twenty transfers takes in the journal. */
export const SMALL_BYTES = 1_000;
/** The log is written back when it has grown so much, as the store does it, but beside what is measured. */
const CHECKPOINT_BYTES = 64 * 1024 * 1024;

/** How often this disk makes a write durable. */
export function measureFsync(folder: string, durationMs: number, bytes = SMALL_BYTES): Measurement {
  const blob = new Uint8Array(bytes).fill(7);
  const file = openSync(join(folder, "fsync.bin"), "w");
  try {
    return measureBlocking(durationMs, () => {
      writeSync(file, blob);
      fdatasyncSync(file);
    });
  } finally {
    closeSync(file);
  }
}

/** How often SQLite, set up as the store sets it up, commits one row with a blob. */
export function measureSqliteAppend(folder: string, durationMs: number, blob: Uint8Array): Measurement {
  const database = new DatabaseSync(join(folder, `append-${blob.length}.db`));
  try {
    database.exec(
      "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; " +
        "CREATE TABLE b (p INTEGER PRIMARY KEY, x BLOB)",
    );
    const insert = database.prepare("INSERT INTO b (x) VALUES (?)");
    let inLog = 0;
    return measureBlocks(durationMs, {
      operations: 1,
      prepare: () => {
        if (inLog > CHECKPOINT_BYTES) {
          database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
          inLog = 0;
        }
      },
      run: () => {
        insert.run(blob);
        inLog += blob.length;
      },
    });
  } finally {
    database.close();
  }
}

import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Measurement, measureBlocking } from "./measure.ts";

/** What a batch of about twenty transfers takes in the journal. */
const BLOB = new Uint8Array(1_000).fill(7);

/** How often this disk makes a small write durable. */
export function measureFsync(folder: string, durationMs: number): Measurement {
  const file = openSync(join(folder, "fsync.bin"), "w");
  try {
    return measureBlocking(durationMs, () => {
      writeSync(file, BLOB);
      fdatasyncSync(file);
    });
  } finally {
    closeSync(file);
  }
}

/** How often SQLite, set up as the store sets it up, commits one small row. */
export function measureSqliteAppend(folder: string, durationMs: number): Measurement {
  const database = new DatabaseSync(join(folder, "append.db"));
  try {
    database.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE b (p INTEGER PRIMARY KEY, x BLOB)");
    const insert = database.prepare("INSERT INTO b (x) VALUES (?)");
    return measureBlocking(durationMs, () => {
      insert.run(BLOB);
    });
  } finally {
    database.close();
  }
}

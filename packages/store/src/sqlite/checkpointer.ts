import type { DatabaseSync, StatementSync } from "node:sqlite";
import { StoreLockedError } from "../errors.ts";

const PAGE_BYTES = 4096;

/**
 * After how many pages written to the log it is copied into the journal's file. Measured on appends of 1 KB: 9,000/s and
 * a pause of 2 to 3 ms at 1,000 pages, 8,000/s and 10 ms at 6,000, 6,000/s without: a log that is short is written over
 * again and again, and a file that does not grow syncs faster.
 */
const CHECKPOINT_PAGES = 1000;

/**
 * The same while a snapshot is written: its pages are all different ones, so that each has to be copied. Measured on
 * 190 MB: pauses of 15 to 23 ms at 1,000 pages.
 */
const CHECKPOINT_PAGES_OF_SNAPSHOTS = 250;

/**
 * The one place that decides when the write-ahead log is copied into the journal's file. Now it is after the commit that
 * fills the log; a worker with a connection of its own may take over `wrote`, with PASSIVE as here. It must then see to
 * it that the log starts anew from time to time, which under constant writing a PASSIVE checkpoint alone never reaches.
 */
export class Checkpointer {
  readonly #database: DatabaseSync;
  readonly #passive: StatementSync;
  #pagesWritten = 0;
  #failing = false;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#passive = database.prepare("PRAGMA wal_checkpoint(PASSIVE)");
  }

  /** Counts a committed write of so many bytes, and checkpoints when it is time. Never throws: the commit stands. */
  wrote(bytes: number): void {
    this.#wrote(bytes, CHECKPOINT_PAGES);
  }

  /** As `wrote`, for a step of saving a snapshot. */
  wroteOfSnapshot(bytes: number): void {
    this.#wrote(bytes, CHECKPOINT_PAGES_OF_SNAPSHOTS);
  }

  #wrote(bytes: number, checkpointPages: number): void {
    // A row's last page and the page of the tree above are written with every commit.
    this.#pagesWritten += 1 + Math.ceil(bytes / PAGE_BYTES);
    if (this.#pagesWritten < checkpointPages) return;
    this.#pagesWritten = 0;
    try {
      this.#passive.get();
      this.#failing = false;
    } catch (error) {
      // The log still holds everything, and the next time tries again; but it grows, so somebody should know.
      if (!this.#failing) process.emitWarning(describe(error), { code: "BANK_STORE_CHECKPOINT" });
      this.#failing = true;
    }
  }

  /**
   * Writes everything in the log anew into the journal's file, syncs that and empties the log: from then on what was
   * found in the log is as durable as anything.
   * Throws: SQLite's errors; `StoreLockedError` when another program's reading or writing prevents it.
   */
  truncate(): void {
    const row = this.#database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get();
    if (row?.["busy"] !== 0) {
      throw new StoreLockedError(
        "another program is reading or writing the journal, so its log cannot be settled: close that program, then try again",
      );
    }
    this.#pagesWritten = 0;
  }
}

function describe(error: unknown): string {
  const reason = error instanceof Error ? error.message : String(error);
  return `cannot copy the write-ahead log into the journal's file (${reason}); nothing is lost, but the log grows`;
}

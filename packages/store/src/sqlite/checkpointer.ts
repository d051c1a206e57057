import type { DatabaseSync, StatementSync } from "node:sqlite";
import { StoreLockedError } from "../errors.ts";
import { CheckpointThread } from "./checkpoint-thread.ts";

const PAGE_BYTES = 4096;

/** In pages of the log. */
export const CHECKPOINT_LIMITS = {
  /**
   * After so many pages written to the log it is copied into the journal's file. Measured on appends of 1 KB, without a thread:
   * 9,000/s and a pause of 2 to 3 ms at 1,000 pages, 8,000/s and 10 ms at 6,000, 6,000/s without: a log that is short is
   * written over again and again, and a file that does not grow syncs faster.
   */
  written: 1000,
  /**
   * The same while a snapshot is written: its pages are all different ones, so that each has to be copied. Measured on
   * 190 MB, without a thread: pauses of 15 to 23 ms at 1,000 pages.
   */
  writtenOfSnapshot: 250,
  /**
   * A log of more pages is made to begin anew. Under constant writing what the thread copies is never all there is; so what
   * came meanwhile is copied between two writes, and the next write begins at the log's beginning.
   */
  log: 4096,
  /** So much is written at most without a word from the thread, which a loop of writes leaves no turn to speak. */
  unanswered: 12_288,
} as const;

export type CheckpointLimits = Readonly<Record<keyof typeof CHECKPOINT_LIMITS, number>>;

/**
 * The one place that decides when the write-ahead log is copied into the journal's file: in a thread, so that appends do not
 * wait for it. The thread is started when there is something to copy for the first time; where it cannot be had, each is done
 * after the commit that fills the log.
 */
export class Checkpointer {
  readonly #database: DatabaseSync;
  readonly #limits: CheckpointLimits;
  readonly #passive: StatementSync;
  #pagesWritten = 0;
  /** Since the last word from the thread. */
  #pagesUnanswered = 0;
  #failing = false;
  #place: "thread" | "here";
  #thread: CheckpointThread | undefined;

  /** @param place "here" where the connections are a test's, which the thread could not share. */
  constructor(database: DatabaseSync, place: "thread" | "here", limits: CheckpointLimits = CHECKPOINT_LIMITS) {
    this.#database = database;
    this.#limits = limits;
    this.#passive = database.prepare("PRAGMA wal_checkpoint(PASSIVE)");
    this.#place = place;
  }

  /** Counts a committed write of so many bytes, and checkpoints when it is time. Never throws: the commit stands. */
  wrote(bytes: number): void {
    this.#wrote(bytes, this.#limits.written);
  }

  /** As `wrote`, for a step of saving a snapshot. */
  wroteOfSnapshot(bytes: number): void {
    this.#wrote(bytes, this.#limits.writtenOfSnapshot);
  }

  #wrote(bytes: number, checkpointPages: number): void {
    // A row's last page and the page of the tree above are written with every commit.
    const pages = 1 + Math.ceil(bytes / PAGE_BYTES);
    this.#pagesWritten += pages;
    this.#pagesUnanswered += pages;
    if (this.#pagesWritten < checkpointPages) return;
    this.#pagesWritten = 0;
    const path = this.#database.location();
    if (this.#place === "here" || path === null) this.#checkpointHere();
    else {
      this.#thread ??= this.#startThread(path);
      this.#thread.checkpoint();
      if (this.#pagesUnanswered > this.#limits.unanswered) this.#checkpointHere();
    }
  }

  #startThread(path: string): CheckpointThread {
    return new CheckpointThread(path, {
      onDone: (logPages) => {
        this.#failing = false;
        this.#pagesUnanswered = 0;
        if (logPages > this.#limits.log) this.#checkpointHere();
      },
      onFailed: (problem) => this.#warn(problem),
      onEnded: (problem) => {
        this.#thread = undefined;
        this.#place = "here";
        this.#warn(problem);
        this.#checkpointHere();
      },
    });
  }

  #checkpointHere(): void {
    this.#pagesUnanswered = 0;
    // A connection that was lost is no news of the log.
    if (!this.#database.isOpen) return;
    try {
      this.#passive.get();
      this.#failing = false;
    } catch (error) {
      this.#warn(error instanceof Error ? error.message : String(error));
    }
  }

  /** The log still holds everything, and the next time tries again; but it grows, so somebody should know. */
  #warn(problem: string): void {
    const message = `cannot copy the write-ahead log into the journal's file (${problem}); nothing is lost, but the log grows`;
    if (!this.#failing) process.emitWarning(message, { code: "BANK_STORE_CHECKPOINT" });
    this.#failing = true;
  }

  /** Ends the thread and closes its connection; what is written from then on is copied here. Idempotent. */
  async stop(): Promise<void> {
    this.#place = "here";
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.stop();
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

import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Position } from "@bank/core";
import { type Batch, decodeFrame } from "@bank/journal";
import { bytes, integer } from "./columns.ts";
import { openDatabase } from "./database.ts";
import { EntryReader } from "./entry-reader.ts";
import { ACCOUNTS_WAITING_MAX, ENTRIES_FOR_EACH_ACCOUNT, ENTRIES_SCANNED_MAX, ENTRIES_WAITING_MAX } from "./limits.ts";
import { ProjectionReader } from "./projection-reader.ts";
import { Projector } from "./projector.ts";
import type { Queries, Query, QueryName } from "./queries.ts";

/** Where a projection ends, and the proof of which journal it is of. */
export interface ProjectionHead {
  readonly position: Position;
  /** 16 bytes: the epoch of the batch that ends there. */
  readonly epochId: Uint8Array;
  /** 32 bytes: the chain hash there. */
  readonly chainHash: Uint8Array;
}

/** Frames that follow each other, which are projected all or none. */
export interface Frames {
  readonly frames: readonly Uint8Array[];
  /** After the last of them. */
  readonly chainHash: Uint8Array;
}

export interface ProjectionOptions {
  /** How many entries of an account one page looks at. */
  readonly scanMax?: number;
}

/**
 * The projection of a journal in an SQLite database. Synchronous: it belongs into a thread of its own.
 *
 * What is projected can be read at once, and is kept later: one transaction stays open over many calls of `project`, and the
 * entries of it in memory, so that those of one account become one row. Who dies before `keep` is behind by what was not kept.
 */
export class Projection {
  private readonly database: DatabaseSync;
  private readonly projector: Projector;
  private readonly reader: ProjectionReader;
  private readonly writeHead: StatementSync;
  private readonly entries: EntryReader;
  private end: ProjectionHead | undefined;
  /** Journal time of the end. */
  private endMs = 0;
  /** What is in memory is not what the rows need. */
  private isBroken = false;
  /** Of what was projected some is in rows, and some is not. */
  private isKeeping = false;

  /**
   * Opens the database, and makes it where there is none.
   * Throws: `DamagedHistoryError` for a file that is something else; SQLite's errors.
   *
   * @param file path, or `MEMORY`.
   */
  static open(file: string, { scanMax = ENTRIES_SCANNED_MAX }: ProjectionOptions = {}): Projection {
    const database = openDatabase(file);
    try {
      return new Projection(database, scanMax);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  private constructor(database: DatabaseSync, scanMax: number) {
    this.database = database;
    const row = database.prepare("SELECT position, epoch_id, chain_hash FROM head").get();
    if (row !== undefined)
      this.end = {
        position: integer(row, "position"),
        epochId: bytes(row, "epoch_id", 16),
        chainHash: bytes(row, "chain_hash", 32),
      };
    this.entries = new EntryReader(database);
    this.projector = new Projector(database, this.entries);
    this.reader = new ProjectionReader(database, this.entries, scanMax);
    this.writeHead = database.prepare("INSERT OR REPLACE INTO head VALUES (1, ?, ?, ?, ?)");
  }

  /** undefined while nothing is projected. */
  get head(): ProjectionHead | undefined {
    return this.end;
  }

  /** Whether so much waits that it should be kept now. */
  get isWorthKeeping(): boolean {
    const { length, accountCount } = this.entries.recent;
    if (length >= ENTRIES_WAITING_MAX || accountCount >= ACCOUNTS_WAITING_MAX) return true;
    return length > 0 && length >= ENTRIES_FOR_EACH_ACCOUNT * accountCount;
  }

  /**
   * Adds batches and the new head, all or none of it, and gives the head. They are kept by the next `keep`.
   * Throws: `JournalFormatError`; an error where they do not follow the head; `DamagedHistoryError`; SQLite's errors.
   * After a failure the projection can be read, but must be closed without being kept, and opened anew.
   */
  project({ frames, chainHash }: Frames): ProjectionHead {
    if (this.isKeeping) throw new Error("nothing is projected before all that was is kept");
    const batches = frames.map((frame) => decodeFrame(frame));
    const head = this.headAfter(batches, chainHash);
    if (!this.database.isTransaction) this.database.exec("BEGIN IMMEDIATE");
    this.database.exec("SAVEPOINT message");
    try {
      this.projector.project(batches);
      this.database.exec("RELEASE message");
    } catch (error) {
      this.isBroken = true;
      this.attempt("ROLLBACK TO message; RELEASE message");
      throw error;
    }
    this.end = head;
    this.endMs = (batches.at(-1) as Batch).header.timeMs;
    return head;
  }

  /**
   * Commits all that was projected, and says whether it is done. Where it is not, the time was over: all can be read, but nothing
   * projected before the next calls have done it.
   * Throws: SQLite's errors; then the projection must be closed. A bug: after a failure.
   *
   * @param forMs about how long one call may take, besides the commit, which has one of its own then.
   */
  keep(forMs = Number.POSITIVE_INFINITY): boolean {
    if (this.isBroken) throw new Error("a projection that failed is not kept");
    if (this.end === undefined || !this.database.isTransaction) return true;
    const { position, epochId, chainHash } = this.end;
    const untilMs = performance.now() + forMs;
    this.isBroken = true;
    const isWritten = this.entries.recent.length === 0;
    this.isKeeping = !isWritten && (!this.projector.writeEntries(untilMs) || performance.now() >= untilMs);
    if (!this.isKeeping) {
      this.writeHead.run(position, epochId, chainHash, this.endMs);
      this.database.exec("COMMIT");
    }
    this.isBroken = false;
    return !this.isKeeping;
  }

  /** Answers a question, in one transaction. Throws: `DamagedHistoryError`; SQLite's errors. */
  ask<Name extends QueryName>(name: Name, asked: Queries[Name]["asked"]): Queries[Name]["answer"] {
    if (this.database.isTransaction) return this.answer({ name, asked } as Query);
    this.database.exec("BEGIN");
    try {
      return this.answer({ name, asked } as Query);
    } finally {
      this.attempt("ROLLBACK");
    }
  }

  /** Gives the file back. What was not kept is gone. */
  close(): void {
    this.database.close();
  }

  /** Takes something back. Never throws: what went wrong before says more. */
  private attempt(sql: string): void {
    try {
      if (this.database.isTransaction) this.database.exec(sql);
    } catch {
      // Without a transaction there is none to leave, and a broken connection is closed next.
    }
  }

  private answer({ name, asked }: Query): Queries[QueryName]["answer"] {
    switch (name) {
      case "list":
        return this.reader.list(asked);
      case "transaction":
        return this.reader.transaction(asked.position, asked.upper);
      case "balance":
        return this.reader.balance(asked.account, asked.position);
      case "positionAt":
        return this.reader.positionAt(asked.timeMs);
    }
  }

  /** Throws: an error unless the batches follow the head and each other. */
  private headAfter(batches: readonly Batch[], chainHash: Uint8Array): ProjectionHead {
    let position = this.end?.position ?? 0;
    for (const { header } of batches) {
      if (header.firstPosition !== position + 1)
        throw new Error(`a batch begins at position ${header.firstPosition}, and ${position + 1} comes next`);
      position += header.count;
    }
    const last = batches.at(-1);
    if (last === undefined) throw new RangeError("there is something to project");
    return { position, epochId: last.header.epochId, chainHash };
  }
}

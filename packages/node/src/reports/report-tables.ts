import { randomUUID } from "node:crypto";
import { bytesEqual, type Position, toHex } from "@bank/core";
import type { ReceivedFrame, Sha256 } from "@bank/journal";
import {
  type Connection,
  isServerError,
  isTransient,
  type PostgresPlace,
  type Row,
  type Statement,
  saying,
  type Value,
} from "@bank/store/postgres";
import { NO_HEAD, proveFrame } from "./check-frame.ts";
import { DamagedReportsError, REBUILD, ReportsTakenError } from "./errors.ts";
import { TABLES } from "./layout.ts";
import { loadState, numberOf } from "./load-state.ts";
import { migrateReports } from "./migrate-reports.ts";
import { PendingRows } from "./pending-rows.ts";
import { connectTo, inSchema } from "./place.ts";
import { projectBatch } from "./project-batch.ts";
import type { ProjectedState, ReportsHead } from "./projected-state.ts";
import { runAll, statementsFor } from "./write-rows.ts";

/** A statement over many rows may take long where the disk is slow, and is not to be given up then. */
const DEADLINE_MS = 120_000;

/** How often it is tried to empty the tables while others read them. */
const EMPTY_TRIES = 20;

const READ = `SELECT bank_id, position::text, chain_hash, epoch::text, epoch_id,
  (extract(epoch FROM journal_time) * 1000)::int8::text FROM $.progress WHERE id = 1`;
const CLAIM = "UPDATE $.progress SET writer = $1::uuid WHERE id = 1 RETURNING 1";
const FIRST = `INSERT INTO $.progress
  (id, position, chain_hash, epoch, epoch_id, journal_position, written_at, writer)
  VALUES (1, 0, '', 0, '', 0, now(), $1::uuid)`;
/** Whoever else writes waits for this row, and finds another position or writer then. */
const ADVANCE = `UPDATE $.progress SET bank_id = $4, position = $5::int8, chain_hash = $6, epoch = $7::int8, epoch_id = $8,
    journal_time = to_timestamp($9::int8 / 1000.0), journal_position = $10::int8, written_at = now(),
    seen_at = now()
  WHERE id = 1 AND writer = $1::uuid AND position = $2::int8 AND chain_hash = $3 RETURNING 1`;
const BEAT = `UPDATE $.progress SET seen_at = now(), journal_position = greatest(journal_position, $2::int8)
  WHERE id = 1 AND writer = $1::uuid RETURNING 1`;

/**
 * The tables, opened to write more. What is projected is written in one transaction with the position that it leads to, which
 * goes on only from the position, chain hash and writer that this one has left. After any failure it is of no more use: what is
 * in memory may be ahead of what is written. Open it anew.
 */
export class ReportTables {
  readonly state: ProjectedState;
  private readonly connection: Connection;
  private readonly place: PostgresPlace;
  private readonly writer: string;
  private readonly sha256: Sha256;
  /** Where what is written ends. */
  private written: ReportsHead;
  private rows = new PendingRows();

  private constructor(
    connection: Connection,
    place: PostgresPlace,
    parts: { readonly writer: string; readonly state: ProjectedState; readonly sha256: Sha256 },
  ) {
    this.connection = connection;
    this.place = place;
    this.writer = parts.writer;
    this.state = parts.state;
    this.sha256 = parts.sha256;
    this.written = parts.state.head;
  }

  /**
   * Makes the tables where there are none, and takes them over from whoever has written so far, who is refused from then on.
   * Rejects with: `DamagedReportsError`; what `migrateReports` and `query` reject with.
   *
   * @param empty begin anew: all rows are removed, in one transaction with a position of 0.
   */
  static async open(
    place: PostgresPlace,
    { sha256, empty = false }: { readonly sha256: Sha256; readonly empty?: boolean },
  ): Promise<ReportTables> {
    const connection = await connectTo(place, DEADLINE_MS);
    try {
      await migrateReports(connection, place);
      const writer = randomUUID();
      if (empty) await removeRows(connection, place, writer);
      else await claim(connection, place, writer);
      const [row] = await connection.query(statement(place, "", READ));
      if (row === undefined) throw new DamagedReportsError("the row of the progress is gone");
      const state = await loadState(connection, place, headOf(row));
      return new ReportTables(connection, place, { writer, state, sha256 });
    } catch (error) {
      connection.drop();
      throw error;
    }
  }

  /** Where what was projected ends, written or not. */
  get head(): ReportsHead {
    return this.state.head;
  }

  /** Up to here it is written. */
  get writtenPosition(): Position {
    return this.written.position;
  }

  /** Records that wait to be written. */
  get waiting(): number {
    return this.rows.records;
  }

  /** Adds the next batch to what waits. Throws: `ReportsMismatchError`, `DamagedReportsError`, `JournalFormatError`. */
  project(bankId: Uint8Array, received: ReceivedFrame): void {
    const { batch, head } = proveFrame(this.state.head, bankId, received, this.sha256);
    projectBatch(this.state, this.rows, batch);
    this.state.head = head;
  }

  /**
   * Begins to write what waits. More may be projected meanwhile, but one write runs at a time.
   * Rejects with: `ReportsTakenError`, with nothing written; what `query` rejects with, after which it may be written or not.
   *
   * @param journalPosition how far the journal is known to be committed.
   */
  write(journalPosition: Position): Promise<void> {
    const { state, rows, written } = this;
    const { head } = state;
    this.rows = new PendingRows();
    const prepared = statementsFor(this.place, state, rows);
    return this.writeAll(prepared, { from: written, to: head, journalPosition });
  }

  /**
   * Says that the journal is followed still, while there is nothing to write; nothing else may be under way.
   * Rejects with: `ReportsTakenError`; what `query` rejects with.
   *
   * @param journalPosition how far the journal is known to be committed.
   */
  async beat(journalPosition: Position): Promise<void> {
    const { connection, place, writer } = this;
    const found = await connection.query(statement(place, "reports_beat", BEAT), [writer, journalPosition]);
    if (found.length !== 1) throw this.taken(this.written);
  }

  /** Ends it with a word. What was not written is projected again by the next. */
  async close(): Promise<void> {
    await this.connection.end();
  }

  private async writeAll(
    prepared: ReturnType<typeof statementsFor>,
    { from, to, journalPosition }: Advance,
  ): Promise<void> {
    const { connection, place } = this;
    await connection.run("BEGIN");
    const advanced = await connection.query(statement(place, "reports_advance", ADVANCE), [
      this.writer,
      from.position,
      toHex(from.chainHash),
      to.bankId === undefined ? null : toHex(to.bankId),
      to.position,
      toHex(to.chainHash),
      to.epoch,
      toHex(to.epochId),
      to.timeMs,
      Math.max(journalPosition, to.position),
    ]);
    if (advanced.length !== 1) {
      await connection.run("ROLLBACK");
      throw this.taken(from);
    }
    try {
      await runAll(connection, prepared);
    } catch (error) {
      // Rows that should not be there, or a value that does not fit: the next try would meet the same.
      if (!isServerError(error) || !["22", "23"].includes(error.code.slice(0, 2))) throw error;
      throw new DamagedReportsError(
        `the tables in ${place.name} are not as this program left them at position ${from.position}: ${saying(error)}. ${REBUILD}`,
        { cause: error },
      );
    }
    await connection.run("COMMIT");
    this.written = to;
  }

  private taken({ position }: ReportsHead): ReportsTakenError {
    return new ReportsTakenError(
      `somebody else has begun to write to ${this.place.name}, or has changed its row of the progress: this one stops at position ${position}`,
    );
  }
}

interface Advance {
  readonly from: ReportsHead;
  readonly to: ReportsHead;
  readonly journalPosition: Position;
}

/** How far tables are, for whoever only looks. Undefined where there are none, or nothing was ever written. */
export async function readHead(connection: Connection, place: PostgresPlace): Promise<ReportsHead | undefined> {
  const [row] = await connection.query(statement(place, "", READ));
  return row === undefined ? undefined : headOf(row);
}

/** Waits for a transaction of the writer before, which may be on its way still, and shuts out all that would come behind it. */
async function claim(connection: Connection, place: PostgresPlace, writer: string): Promise<void> {
  const claimed = await connection.query(statement(place, "", CLAIM), [writer]);
  if (claimed.length === 0) await connection.query(statement(place, "", FIRST), [writer]);
}

/**
 * All tables in one step, the progress with them: it waits for whoever reads any of them, so that nobody sees some of them empty
 * and others not. Who reads several may wait for this one while this one waits for him; the server then ends one of both.
 */
async function removeRows(connection: Connection, place: PostgresPlace, writer: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    await connection.run("BEGIN");
    try {
      await connection.run(inSchema(place, `TRUNCATE ${TABLES.map((table) => `$.${table}`).join(", ")}`));
      await connection.query(statement(place, "", FIRST), [writer]);
      await connection.run("COMMIT");
      return;
    } catch (error) {
      if (!isTransient(error) || tries === EMPTY_TRIES) throw error;
      await connection.run("ROLLBACK");
    }
  }
}

function statement(place: PostgresPlace, name: string, text: string): Statement {
  return { name, text: inSchema(place, text) };
}

function headOf([bankId, position, chainHash, epoch, epochId, time]: Row): ReportsHead {
  const at = numberOf(position);
  if (at === 0) return NO_HEAD;
  return {
    bankId: bytesOf(bankId, 16),
    position: at,
    chainHash: bytesOf(chainHash, 32),
    epoch: numberOf(epoch),
    epochId: bytesOf(epochId, 16),
    timeMs: numberOf(time),
  };
}

function bytesOf(value: Value, length: number): Uint8Array {
  const bytes = new Uint8Array(typeof value === "string" ? Buffer.from(value, "hex") : []);
  if (bytes.length !== length) throw new DamagedReportsError("the row of the progress is damaged");
  return bytes;
}

/** Whether a journal has, at the end of the tables, what the tables were made of. */
export function continues(head: ReportsHead, chainHash: Uint8Array | undefined): boolean {
  return head.position === 0 || (chainHash !== undefined && bytesEqual(head.chainHash, chainHash));
}

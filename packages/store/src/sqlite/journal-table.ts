import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite";
import { HASH_BYTES } from "../arguments.ts";
import { equalBytes } from "../bytes.ts";
import { CorruptStoreError } from "../errors.ts";
import type { ReadLimits, StoredBatch, StoreHead } from "../port.ts";
import { bytes, integer } from "./columns.ts";
import type { GapBounds } from "./gap-table.ts";

const BATCH = "first_position, last_position, previous_hash, chain_hash, frame";

/** The rows of `journal`, one per batch. Checks the links between what it reads, never the frames themselves. */
export class JournalTable {
  readonly #insert: StatementSync;
  readonly #from: StatementSync;
  readonly #atOrBefore: StatementSync;
  readonly #hashAtOrBefore: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare(`INSERT INTO journal (${BATCH}) VALUES (?, ?, ?, ?, ?)`);
    this.#from = database.prepare(
      `SELECT ${BATCH} FROM journal
       WHERE first_position >= (SELECT max(first_position) FROM journal WHERE first_position <= ?)
         AND first_position <= ?
       ORDER BY first_position`,
    );
    this.#atOrBefore = database.prepare(
      `SELECT ${BATCH} FROM journal WHERE first_position <= ? ORDER BY first_position DESC LIMIT 1`,
    );
    this.#hashAtOrBefore = database.prepare(
      `SELECT last_position, chain_hash FROM journal WHERE first_position <= ? ORDER BY first_position DESC LIMIT 1`,
    );
  }

  insert({ firstPosition, lastPosition, previousHash, chainHash, frame }: StoredBatch): void {
    this.#insert.run(firstPosition, lastPosition, previousHash, chainHash, frame);
  }

  /**
   * The end of the journal. Looks at the last two batches and the first: a table that lost rows somewhere else is found
   * by `read`, and a frame that changed by those who know what is in it.
   */
  head(gap: GapBounds | undefined): StoreHead | undefined {
    const last = this.batchAtOrBefore(Number.MAX_SAFE_INTEGER);
    if (gap !== undefined && (last === undefined || last.lastPosition <= gap.upTo.position)) return gap.upTo;
    if (last === undefined) return undefined;
    if (last.firstPosition - 1 === gap?.upTo.position) {
      requireContinues(gap.upTo, last);
      return { position: last.lastPosition, chainHash: last.chainHash };
    }
    const before = this.batchAtOrBefore(last.firstPosition - 1);
    requireLink(before, last);
    if (gap === undefined && before !== undefined && this.batchAtOrBefore(1) === undefined) {
      throw new CorruptStoreError("the journal does not begin at position 1");
    }
    return { position: last.lastPosition, chainHash: last.chainHash };
  }

  /**
   * From the batch that contains position `from` to the one that ends at `end`: the head's position, or that where a gap
   * begins.
   */
  read({ from, end, maxBytes, maxBatches }: Required<ReadLimits> & { from: number; end: number }): StoredBatch[] {
    const found: StoredBatch[] = [];
    let bytesFound = 0;
    let before: StoredBatch | undefined;
    // Leaving the loop ends the statement, and with it the read transaction that would hold up a checkpoint.
    for (const row of this.#from.iterate(from, end)) {
      const batch = toBatch(row);
      if (before === undefined) requireContains(batch, from);
      else requireLink(before, batch);
      bytesFound += batch.frame.length;
      if (bytesFound > maxBytes && found.length > 0) return found;
      found.push(batch);
      if (found.length >= maxBatches) return found;
      before = batch;
    }
    if (before?.lastPosition !== end) {
      throw new CorruptStoreError(`the journal ends at ${before?.lastPosition ?? 0}, but ended at ${end} before`);
    }
    return found;
  }

  /** The batch that contains `position`, which must not be beyond the end. */
  batchContaining(position: number): StoredBatch {
    const batch = this.batchAtOrBefore(position);
    if (batch === undefined) throw new CorruptStoreError(`the batch that contains position ${position} is missing`);
    requireContains(batch, position);
    return batch;
  }

  /** The last batch that begins at or before `position`. */
  batchAtOrBefore(position: number): StoredBatch | undefined {
    const row = this.#atOrBefore.get(position);
    return row && toBatch(row);
  }

  chainHashAt(position: number): Uint8Array | undefined {
    const row = this.#hashAtOrBefore.get(position);
    return row?.["last_position"] === position ? bytes(row["chain_hash"], "chain hash", HASH_BYTES) : undefined;
  }
}

function toBatch(row: Record<string, SQLOutputValue>): StoredBatch {
  const firstPosition = integer(row["first_position"], "first position", 1);
  return {
    firstPosition,
    lastPosition: integer(row["last_position"], "last position", firstPosition),
    frame: bytes(row["frame"], "frame"),
    previousHash: bytes(row["previous_hash"], "previous hash", HASH_BYTES),
    chainHash: bytes(row["chain_hash"], "chain hash", HASH_BYTES),
  };
}

function requireContains(batch: StoredBatch, position: number): void {
  if (batch.firstPosition <= position && position <= batch.lastPosition) return;
  throw new CorruptStoreError(
    `position ${position} is missing: the batch before it is ${batch.firstPosition} to ${batch.lastPosition}`,
  );
}

function requireLink(before: StoredBatch | undefined, batch: StoredBatch): void {
  const end = before?.lastPosition ?? 0;
  if (batch.firstPosition !== end + 1) {
    throw new CorruptStoreError(`the journal has a gap or an overlap: behind ${end} comes ${batch.firstPosition}`);
  }
  if (before !== undefined && !equalBytes(before.chainHash, batch.previousHash)) {
    throw new CorruptStoreError(`the batch at ${batch.firstPosition} does not continue the hash of the one before it`);
  }
}

function requireContinues({ position, chainHash }: StoreHead, batch: StoredBatch): void {
  if (batch.firstPosition === position + 1 && equalBytes(batch.previousHash, chainHash)) return;
  throw new CorruptStoreError(`the batch at ${batch.firstPosition} does not continue the snapshot at ${position}`);
}

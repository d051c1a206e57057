import { HASH_BYTES } from "../arguments.ts";
import { equalBytes } from "../bytes.ts";
import { CorruptStoreError } from "../errors.ts";
import type { ReadLimits, StoredBatch, StoreGap, StoreHead } from "../port.ts";
import { bytea, byteaArray, int8Array } from "./binary-arrays.ts";
import { bytes, integer, type Row } from "./columns.ts";
import type { Connection, Statement } from "./connection.ts";

const BATCH = "first_position, last_position, previous_hash, chain_hash, frame";

/** Where a gap is, however much of it is filled. */
export type GapBounds = Omit<StoreGap, "filled">;

/** The rows of `batches`, one per batch, and that of `gap`. Checks the links between what it reads, never the frames. */
export class JournalRows {
  readonly #read: Statement;
  readonly #containing: Statement;
  readonly #before: Statement;
  readonly #first: Statement;
  readonly #hashAt: Statement;
  readonly #beginningAt: Statement;
  readonly #insert: Statement;
  readonly #gap: Statement;
  readonly #openGap: Statement;
  readonly #closeGap: Statement;

  constructor(schema: string) {
    const [batches, gap] = [`"${schema}".batches`, `"${schema}".gap`];
    // How many bytes a frame has is known without reading it.
    this.#read = {
      name: "bank_read",
      text: `SELECT ${BATCH}, found FROM (
          SELECT ${BATCH}, count(*) OVER () AS found, row_number() OVER (ORDER BY last_position) AS number,
            sum(octet_length(frame)) OVER (ORDER BY last_position) AS total
          FROM (
            SELECT ${BATCH} FROM ${batches} WHERE last_position >= $1 AND last_position <= $2
            ORDER BY last_position LIMIT $3
          ) AS candidates
        ) AS measured
        WHERE number = 1 OR total <= $4 ORDER BY last_position`,
    };
    this.#containing = {
      name: "bank_batch",
      text: `SELECT ${BATCH} FROM ${batches} WHERE last_position >= $1 ORDER BY last_position LIMIT 1`,
    };
    this.#before = {
      name: "bank_before",
      text: `SELECT first_position, last_position, previous_hash, chain_hash FROM ${batches} WHERE last_position <= $1
        ORDER BY last_position DESC LIMIT 1`,
    };
    this.#first = { name: "bank_first", text: `SELECT first_position FROM ${batches} ORDER BY last_position LIMIT 1` };
    this.#hashAt = { name: "bank_hash", text: `SELECT chain_hash FROM ${batches} WHERE last_position = $1` };
    this.#beginningAt = {
      name: "bank_beginning",
      text: `SELECT ${BATCH} FROM ${batches} WHERE first_position = ANY($1::int8[]) AND last_position >= $2
        AND last_position <= $3`,
    };
    this.#insert = {
      name: "bank_insert",
      text: `INSERT INTO ${batches} (${BATCH})
        SELECT * FROM unnest($1::int8[], $2::int8[], $3::bytea[], $4::bytea[], $5::bytea[])`,
    };
    this.#gap = { name: "bank_gap", text: `SELECT after_position, up_to, chain_hash FROM ${gap} WHERE id = 1` };
    this.#openGap = {
      name: "bank_gap_opens",
      text: `INSERT INTO ${gap} (id, after_position, up_to, chain_hash) VALUES (1, $1, $2, $3)`,
    };
    this.#closeGap = { name: "bank_gap_closes", text: `DELETE FROM ${gap} WHERE id = 1` };
  }

  /**
   * From the batch that contains position `from` to the one that ends at `end`: the head's position, or that where a gap
   * begins.
   */
  async read(
    connection: Connection,
    { from, end, maxBytes, maxBatches }: Required<ReadLimits> & { readonly from: number; readonly end: number },
  ): Promise<StoredBatch[]> {
    const [most, mostBytes] = [maxBatches, maxBytes].map((limit) =>
      Math.floor(Math.min(limit, Number.MAX_SAFE_INTEGER)),
    ) as [number, number];
    const rows = await connection.query(this.#read, [from, end, most, mostBytes]);
    const found = rows.map(toBatch);
    for (const [i, batch] of found.entries()) {
      if (i === 0) requireContains(batch, from);
      else requireLink(found[i - 1], batch);
    }
    const isCut = integer(rows[0]?.[5] ?? "0", "count of batches", 0) > found.length || found.length >= most;
    const last = found.at(-1)?.lastPosition ?? 0;
    if (!isCut && last !== end) throw new CorruptStoreError(`the journal ends at ${last}, but ended at ${end} before`);
    return found;
  }

  /** The batch that contains `position`, which must not be beyond the end. */
  async batchContaining(connection: Connection, position: number): Promise<StoredBatch> {
    const row = (await connection.query(this.#containing, [position]))[0];
    if (row === undefined) throw new CorruptStoreError(`the batch that contains position ${position} is missing`);
    const batch = toBatch(row);
    requireContains(batch, position);
    return batch;
  }

  async chainHashAt(connection: Connection, position: number): Promise<Uint8Array | undefined> {
    const row = (await connection.query(this.#hashAt, [position]))[0];
    return row && bytes(row[0], "chain hash", HASH_BYTES);
  }

  /** Those stored batches that begin where one of these begins, by that position. */
  async counterparts(
    connection: Connection,
    batches: readonly StoredBatch[],
    end: number,
  ): Promise<ReadonlyMap<number, StoredBatch>> {
    const first = batches[0];
    if (first === undefined) return new Map();
    const wanted = int8Array(batches.map(({ firstPosition }) => firstPosition));
    const rows = await connection.query(this.#beginningAt, [wanted, first.firstPosition, end]);
    return new Map(rows.map(toBatch).map((batch) => [batch.firstPosition, batch]));
  }

  /** Inside the caller's transaction. */
  async insert(connection: Connection, batches: readonly StoredBatch[]): Promise<void> {
    await connection.query(this.#insert, batchArrays(batches));
  }

  async gap(connection: Connection): Promise<GapBounds | undefined> {
    const row = (await connection.query(this.#gap))[0];
    if (row === undefined) return undefined;
    const after = integer(row[0], "beginning of the gap", 0);
    const upTo = { position: integer(row[1], "end of the gap", after + 1), chainHash: hashOf(row[2]) };
    return { after, upTo };
  }

  /** Inside the caller's transaction. */
  async openGap(connection: Connection, { after, upTo }: GapBounds): Promise<void> {
    await connection.query(this.#openGap, [after, upTo.position, bytea(upTo.chainHash)]);
  }

  /** Inside the caller's transaction. */
  async closeGap(connection: Connection): Promise<void> {
    await connection.query(this.#closeGap);
  }

  /** The end of the last batch that ends at or before `position`. */
  async endBefore(connection: Connection, position: number): Promise<StoreHead | undefined> {
    const link = await this.#linkBefore(connection, position);
    return link && { position: link.lastPosition, chainHash: link.chainHash };
  }

  /**
   * The end of the journal. Looks at the last two batches and the first: a table that lost rows somewhere else is found
   * by `read`, and a frame that changed by those who know what is in it.
   */
  async head(connection: Connection, gap: GapBounds | undefined): Promise<StoreHead | undefined> {
    const last = await this.#linkBefore(connection, Number.MAX_SAFE_INTEGER);
    if (gap !== undefined && (last === undefined || last.lastPosition <= gap.upTo.position)) return gap.upTo;
    if (last === undefined) return undefined;
    const head = { position: last.lastPosition, chainHash: last.chainHash };
    if (last.firstPosition - 1 === gap?.upTo.position) {
      if (!equalBytes(last.previousHash, gap.upTo.chainHash))
        throw new CorruptStoreError(`the batch at ${last.firstPosition} does not continue the snapshot before it`);
      return head;
    }
    requireLink(await this.#linkBefore(connection, last.firstPosition - 1), last);
    const first = (await connection.query(this.#first))[0];
    if (gap === undefined && first?.[0] !== "1")
      throw new CorruptStoreError("the journal does not begin at position 1");
    return head;
  }

  async #linkBefore(connection: Connection, position: number): Promise<Link | undefined> {
    const row = (await connection.query(this.#before, [position]))[0];
    return row && toLink(row);
  }
}

/** Parameters of the types `int8[], int8[], bytea[], bytea[], bytea[]`, in the order of `BATCH`. */
export function batchArrays(batches: readonly StoredBatch[]): Buffer[] {
  return [
    int8Array(batches.map(({ firstPosition }) => firstPosition)),
    int8Array(batches.map(({ lastPosition }) => lastPosition)),
    byteaArray(batches.map(({ previousHash }) => previousHash)),
    byteaArray(batches.map(({ chainHash }) => chainHash)),
    byteaArray(batches.map(({ frame }) => frame)),
  ];
}

type Link = Omit<StoredBatch, "frame">;

function toLink(row: Row): Link {
  const firstPosition = integer(row[0], "first position", 1);
  return {
    firstPosition,
    lastPosition: integer(row[1], "last position", firstPosition),
    previousHash: bytes(row[2], "previous hash", HASH_BYTES),
    chainHash: hashOf(row[3]),
  };
}

function toBatch(row: Row): StoredBatch {
  const { firstPosition, lastPosition, previousHash, chainHash } = toLink(row);
  return { firstPosition, lastPosition, frame: bytes(row[4], "frame"), previousHash, chainHash };
}

function hashOf(value: Row[number]): Uint8Array {
  return bytes(value, "chain hash", HASH_BYTES);
}

function requireContains(batch: StoredBatch, position: number): void {
  if (batch.firstPosition <= position && position <= batch.lastPosition) return;
  throw new CorruptStoreError(
    `position ${position} is missing: the batch behind it is ${batch.firstPosition} to ${batch.lastPosition}`,
  );
}

function requireLink(before: Link | undefined, batch: Link): void {
  const end = before?.lastPosition ?? 0;
  if (batch.firstPosition !== end + 1)
    throw new CorruptStoreError(`the journal has a gap or an overlap: behind ${end} comes ${batch.firstPosition}`);
  if (before !== undefined && !equalBytes(before.chainHash, batch.previousHash))
    throw new CorruptStoreError(`the batch at ${batch.firstPosition} does not continue the hash of the one before it`);
}

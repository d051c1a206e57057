import { equalBytes } from "../bytes.ts";
import { CorruptStoreError, JournalConflictError, StaleEpochError } from "../errors.ts";
import type { StoredBatch, StoreHead } from "../port.ts";
import { bytea } from "./binary-arrays.ts";
import { bytes, integer } from "./columns.ts";
import type { Connection, Parameter, Statement } from "./connection.ts";
import { batchArrays } from "./journal-rows.ts";
import { hasCode, UNIQUE_VIOLATION } from "./postgres-errors.ts";

const NO_HASH = Buffer.alloc(0);

/** What an append takes for true, and what the server checks in the step that writes. */
export interface AppendCondition {
  readonly token: Buffer;
  readonly epoch: number;
  readonly head: StoreHead | undefined;
}

/**
 * The append: one statement that commits by itself, in one round trip.
 *
 * `FOR SHARE` makes it wait for whoever is changing the lease's row, and lets nobody change it until this is committed. When
 * it had to wait, the server looks at the row as it is then: under READ COMMITTED it evaluates the condition on the token
 * again, and under the stricter levels the statement fails. So what was sent under an old token inserts nothing, however late
 * it runs. That the end of the journal is looked up as of the beginning of the statement does no harm: it can have moved
 * since only under another token.
 */
export class AppendRow {
  readonly #one: Statement;
  readonly #many: Statement;

  constructor(schema: string) {
    const values = "$5::int8, $6::int8, $7::bytea, $8::bytea, $9::bytea";
    const arrays = "unnest($5::int8[], $6::int8[], $7::bytea[], $8::bytea[], $9::bytea[])";
    this.#one = { name: "bank_append", text: append(schema, `SELECT ${values} FROM held`) };
    this.#many = { name: "bank_append_all", text: append(schema, `SELECT added.* FROM held, ${arrays} AS added`) };
  }

  /**
   * Stores batches that continue the journal, all or none. Gives false where the lease is another's.
   * Rejects with: `StaleEpochError`, `CorruptStoreError`, `JournalConflictError`; what `commit` rejects with.
   */
  async run(connection: Connection, batches: readonly StoredBatch[], condition: AppendCondition): Promise<boolean> {
    const { token, epoch, head } = condition;
    const [only, ...others] = batches;
    if (only === undefined) return true;
    const expected = [token, epoch, head?.position ?? 0, head === undefined ? NO_HASH : bytea(head.chainHash)];
    const rows =
      others.length === 0
        ? await this.#commit(connection, this.#one, [
            ...expected,
            only.firstPosition,
            only.lastPosition,
            bytea(only.previousHash),
            bytea(only.chainHash),
            bytea(only.frame),
          ])
        : await this.#commit(connection, this.#many, [...expected, ...batchArrays(batches)]);
    const [added, fencedEpoch, position, chainHash] = rows[0] ?? [];
    if (added === String(batches.length)) return true;
    if (fencedEpoch === null || fencedEpoch === undefined) return false;
    const fenced = integer(fencedEpoch, "epoch", 0);
    if (epoch < fenced)
      throw new StaleEpochError(`epoch ${epoch} may no longer append: the store is fenced to epoch ${fenced}`);
    const found =
      position === null
        ? undefined
        : { position: integer(position, "last position", 1), chainHash: bytes(chainHash, "chain hash") };
    throw mismatch(head, found);
  }

  async #commit(connection: Connection, statement: Statement, values: readonly Parameter[]) {
    try {
      return await connection.commit(statement, values);
    } catch (error) {
      if (!hasCode(error, UNIQUE_VIOLATION)) throw error;
      throw new JournalConflictError("the position is occupied: another program has written to this journal", {
        cause: error,
      });
    }
  }
}

function append(schema: string, batches: string): string {
  return `WITH held AS (
      SELECT epoch FROM "${schema}".lease WHERE id = 1 AND token = $1 FOR SHARE
    ), head AS (
      SELECT position, chain_hash FROM (
        (SELECT last_position AS position, chain_hash FROM "${schema}".batches ORDER BY last_position DESC LIMIT 1)
        UNION ALL
        (SELECT up_to AS position, chain_hash FROM "${schema}".gap)
      ) AS ends ORDER BY position DESC LIMIT 1
    ), added AS (
      INSERT INTO "${schema}".batches (first_position, last_position, previous_hash, chain_hash, frame)
      ${batches}
      WHERE held.epoch <= $2::int8
        AND coalesce((SELECT position FROM head), 0) = $3::int8
        AND coalesce((SELECT chain_hash FROM head), ''::bytea) = $4::bytea
      RETURNING 1
    )
    SELECT (SELECT count(*) FROM added), (SELECT epoch FROM held),
      (SELECT position FROM head), (SELECT chain_hash FROM head)`;
}

/** Under the own lease the journal ends otherwise than this process left it. */
function mismatch(expected: StoreHead | undefined, found: StoreHead | undefined): Error {
  const [ours, theirs] = [expected?.position ?? 0, found?.position ?? 0];
  if (theirs > ours)
    return new JournalConflictError(
      `the journal goes to ${theirs} and not to ${ours}, where this server left it: another program has written to it`,
    );
  const isOther = theirs === ours && expected && found && !equalBytes(expected.chainHash, found.chainHash);
  const what = isOther ? `has another chain hash at ${ours}` : `ends at ${theirs}`;
  return new CorruptStoreError(
    `the journal ${what}, but ended at ${ours} with what this server had stored: the database lost something; stop and find out`,
  );
}

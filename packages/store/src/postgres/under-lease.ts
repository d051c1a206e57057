import { setTimeout as sleep } from "node:timers/promises";
import type { Row } from "./columns.ts";
import type { Connection, Statement } from "./connection.ts";
import { isServerError, isTransient, NotSentError, saying } from "./postgres-errors.ts";

/** How often a write is tried that the server turned away because of another's. */
const TRIES = 5;
const PAUSE_MS = 10;

const COMMIT: Statement = { name: "bank_commit", text: "COMMIT" };

/** The answer to what was asked of a lease that is another's. */
export const NOT_OURS = Symbol("not ours");

/** Transactions and statements that write only while the lease is the own one. */
export class UnderLease {
  readonly #lock: Statement;
  readonly #initialize: Statement;
  readonly #fence: Statement;
  readonly #mark: Statement;
  readonly #state: Statement;

  constructor(schema: string) {
    const lease = `"${schema}".lease`;
    this.#lock = { name: "bank_lock", text: `SELECT 1 FROM ${lease} WHERE id = 1 AND token = $1 FOR SHARE` };
    this.#initialize = {
      name: "bank_initialize",
      text: `UPDATE ${lease} SET bank_id = $2, closed_cleanly = false
        WHERE id = 1 AND token = $1 AND (bank_id IS NULL OR bank_id = $2) RETURNING 1`,
    };
    this.#fence = {
      name: "bank_fence",
      text: `UPDATE ${lease} SET epoch = $2, closed_cleanly = false
        WHERE id = 1 AND token = $1 AND epoch <= $2 RETURNING 1`,
    };
    this.#mark = {
      name: "bank_in_use",
      text: `UPDATE ${lease} SET closed_cleanly = false WHERE id = 1 AND token = $1 RETURNING 1`,
    };
    this.#state = {
      name: "bank_state",
      text: `SELECT bank_id, epoch, closed_cleanly::text FROM ${lease} WHERE id = 1 AND token = $1`,
    };
  }

  /** Bank id, epoch, and whether it was closed cleanly; undefined where the lease is another's. */
  async state(connection: Connection, token: Buffer): Promise<Row | undefined> {
    return (await connection.query(this.#state, [token]))[0];
  }

  /** Gives false where the lease is another's, or the store another bank's. */
  initialize(connection: Connection, token: Buffer, bankId: Buffer): Promise<boolean> {
    return commits(connection, this.#initialize, [token, bankId]);
  }

  /** Gives false where the lease is another's, or the epoch a higher one. */
  fence(connection: Connection, token: Buffer, epoch: number): Promise<boolean> {
    return commits(connection, this.#fence, [token, epoch]);
  }

  /** Says that the store is in use. Gives false where the lease is another's. */
  markInUse(connection: Connection, token: Buffer): Promise<boolean> {
    return commits(connection, this.#mark, [token]);
  }

  /**
   * A transaction that holds the lease's row from its first statement to its commit. Gives `NOT_OURS` where the lease is another's.
   * Rejects with: what `work` and `commit` reject with, and before the COMMIT with `NotSentError` where the connection broke.
   */
  async transaction<T>(connection: Connection, token: Buffer, work: () => Promise<T>): Promise<T | typeof NOT_OURS> {
    let result: T;
    try {
      await connection.run("BEGIN");
      const isOurs = (await connection.query(this.#lock, [token])).length > 0;
      if (!isOurs) {
        await connection.run("ROLLBACK");
        return NOT_OURS;
      }
      result = await work();
    } catch (error) {
      // The connection may be what failed; then the server rolls back by itself.
      await connection.run("ROLLBACK").catch(() => connection.drop());
      if (!isTransient(error) && (isServerError(error) || connection.isBroken))
        throw new NotSentError(`before the commit: ${saying(error)}`, { cause: error });
      throw error;
    }
    await connection.commit(COMMIT);
    return result;
  }
}

/** Tries again what the server turned away because of another transaction, having stored nothing of it. */
export async function retried<T>(write: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await write();
    } catch (error) {
      if (!isTransient(error) || attempt === TRIES) throw error;
      await sleep(PAUSE_MS * attempt);
    }
  }
}

async function commits(
  connection: Connection,
  statement: Statement,
  values: readonly (Buffer | number)[],
): Promise<boolean> {
  return (await connection.commit(statement, values)).length > 0;
}

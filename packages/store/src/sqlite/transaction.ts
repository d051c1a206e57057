import type { DatabaseSync, StatementSync } from "node:sqlite";
import { commitFailure, doubt, refusal } from "./sqlite-errors.ts";

/**
 * Runs `work`, which is one statement, as a transaction of its own: the fast way, two statements fewer.
 * Throws: `AppendRefusedError` when certainly nothing was stored, else `AppendUnknownError`.
 */
export function commitOne(what: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw commitFailure(error, what);
  }
}

/** Several statements as one transaction. Holds its statements prepared. */
export class Transaction {
  readonly #database: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#begin = database.prepare("BEGIN IMMEDIATE");
    this.#commit = database.prepare("COMMIT");
  }

  /**
   * All that `work` does, or none of it.
   * Throws: `AppendRefusedError` when certainly nothing was stored, else `AppendUnknownError`; an error of `work` that
   * is not SQLite's as it is, after undoing.
   */
  run(what: string, work: () => void): void {
    try {
      this.#begin.run();
      work();
    } catch (error) {
      // Nothing counts before COMMIT, whatever went wrong, once it is certain that no COMMIT can follow.
      throw this.#undo() ? refusal(error, what) : doubt(error, what);
    }
    try {
      this.#commit.run();
    } catch (error) {
      throw this.#undo() ? commitFailure(error, what) : doubt(error, what);
    }
  }

  /** Whether no transaction is open afterwards. SQLite has already undone it after some errors, after others not. */
  #undo(): boolean {
    try {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      return !this.#database.isTransaction;
    } catch {
      // What made the rollback fail adds nothing to the first error, which the caller is about to throw.
      return false;
    }
  }
}

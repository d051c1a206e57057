import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { StoreError, StoreLockedError } from "../errors.ts";
import type { Connect } from "./connection.ts";
import { disconnect } from "./connection.ts";
import { failure, isBusy } from "./sqlite-errors.ts";

/**
 * The lock on a data folder: an exclusive transaction on `lock.db`, held from `take` to `release`. The operating system
 * drops it when the process dies, however it dies, so a lock is never stale. It is a file of its own because the
 * journal must admit other connections, of a worker that checkpoints for one.
 *
 * The file also remembers whether a journal was ever made here. Without that, a journal that was deleted or cut to
 * nothing would look like a new, empty bank.
 */
export class FolderLock {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Throws: `StoreLockedError` when another process, or another store of this one, has the folder. */
  static take(folder: string, connect: Connect): FolderLock {
    const path = join(folder, "lock.db");
    let database: DatabaseSync | undefined;
    try {
      database = connect(path);
      // EXCLUSIVE keeps the file's lock over the COMMIT in `rememberJournal`.
      database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; BEGIN EXCLUSIVE");
      return new FolderLock(database);
    } catch (error) {
      if (database !== undefined) disconnect(database);
      if (!isBusy(error)) throw failure(error, `lock the data folder ${folder} by ${path}`);
      throw new StoreLockedError(
        `the data folder ${folder} is in use: another process (or another store of this one) holds ${path}. ` +
          "Stop that process, or use another data folder. Do not delete lock.db: the lock ends with its process.",
        { cause: error },
      );
    }
  }

  /** Whether a journal was made in this folder before. */
  get journalWasMade(): boolean {
    return this.#database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'journal_was_made'").get() !== undefined;
  }

  /** Call once the journal is durably there. Idempotent. */
  rememberJournal(): void {
    if (this.journalWasMade) return;
    try {
      this.#database.exec("CREATE TABLE journal_was_made (id INTEGER); COMMIT; BEGIN EXCLUSIVE");
    } catch (error) {
      throw new StoreError("cannot remember in lock.db that a journal was made here", { cause: error });
    }
  }

  release(): void {
    disconnect(this.#database);
  }
}

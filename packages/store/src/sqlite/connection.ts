import { DatabaseSync } from "node:sqlite";
import { StoreError } from "../errors.ts";

/** Opens an SQLite file. Tests put their own in its place, to hold on to the connections or to make them fail. */
export type Connect = (path: string) => DatabaseSync;

export const connect: Connect = (path) => new DatabaseSync(path, { timeout: 0 });

const FULL = 2;

/**
 * Makes a connection to the journal durable, and reads every setting back: one that did not take is no error to SQLite.
 *
 * `locking_mode` stays NORMAL, because EXCLUSIVE would shut out the connection of a worker that checkpoints. Checkpoints
 * are the `Checkpointer`'s. Rejected: a larger page size; appends of single transfers were a quarter slower with 16 KiB.
 * Throws: `StoreError` naming the setting.
 */
export function makeDurable(database: DatabaseSync, path: string): void {
  database.exec("PRAGMA synchronous = FULL");
  // On macOS fsync does not reach the disk's medium; elsewhere these two have no effect.
  database.exec("PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON");
  database.exec("PRAGMA locking_mode = NORMAL");
  database.exec("PRAGMA journal_mode = WAL");
  database.exec("PRAGMA wal_autocheckpoint = 0");
  // After a snapshot the log's file is cut back to this size. It is not cut to nothing: reused blocks sync faster.
  database.exec("PRAGMA journal_size_limit = 67108864");
  database.exec("PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF");

  requireSetting(database, { path, name: "journal_mode", value: "wal" });
  requireSetting(database, { path, name: "locking_mode", value: "normal" });
  requireSetting(database, { path, name: "fullfsync", value: 1 });
  requireSetting(database, { path, name: "checkpoint_fullfsync", value: 1 });
  requireDurable(database, path);
}

/** Throws: `StoreError` unless each commit waits for the disk. Some builds of SQLite lower this at the first write. */
export function requireDurable(database: DatabaseSync, path: string): void {
  requireSetting(database, { path, name: "synchronous", value: FULL });
}

/** Closes a connection that may be closed already. */
export function disconnect(database: DatabaseSync): void {
  if (database.isOpen) database.close();
}

function requireSetting(
  database: DatabaseSync,
  { path, name, value }: { readonly path: string; readonly name: string; readonly value: string | number },
): void {
  const found = pragma(database, name);
  if (found !== value) {
    throw new StoreError(
      `${path} cannot be used safely: SQLite answers ${name} = ${found} where ${value} was asked for ` +
        "(a network file system, or a build of SQLite that was made for something else?)",
    );
  }
}

/** The value of a setting. */
export function pragma(database: DatabaseSync, name: string): unknown {
  const row = database.prepare(`PRAGMA ${name}`).get();
  return row === undefined ? undefined : Object.values(row)[0];
}

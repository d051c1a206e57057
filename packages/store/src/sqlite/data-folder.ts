import { accessSync, closeSync, constants, fsyncSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { StoreError } from "../errors.ts";

/**
 * Makes sure that the data folder (an absolute path) exists, with mode 0700 where it is made here, and can be written.
 *
 * The files in it are SQLite's alone: nothing in this process may open one by `fs`, because closing any descriptor of a
 * file drops the POSIX locks that the whole process holds on it.
 * Throws: `StoreError` saying what is wrong with the path.
 */
export function prepareDataFolder(folder: string): void {
  try {
    makeFolder(folder);
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw explain(error, folder);
  }
}

/** Not `mkdir` with `recursive`: that one loops for ever where a folder exists and still nothing can be made in it. */
function makeFolder(folder: string): void {
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found?.isDirectory()) return;
  if (found !== undefined)
    throw new StoreError(`${folder} is a file, but the path of a data folder needs a folder there`);
  const parent = dirname(folder);
  if (parent === folder) throw new StoreError(`${folder} does not exist`);
  makeFolder(parent);
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    // Processes that start together, the bank and its branches, may all make the folder that theirs are in.
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
  syncFolder(parent);
}

/** A power cut must not take the new folder's entry: SQLite syncs the folder, but not what the folder is in. */
function syncFolder(folder: string): void {
  // Windows cannot open a folder, and keeps entries in order without being asked.
  if (process.platform === "win32") return;
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function explain(error: unknown, folder: string): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  switch (error.code) {
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new StoreError(`the data folder ${folder} cannot be written by this user (${error.code})`, {
        cause: error,
      });
    default:
      return new StoreError(`the data folder ${folder} cannot be used: ${error.message}`, { cause: error });
  }
}

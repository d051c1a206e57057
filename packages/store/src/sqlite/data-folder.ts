import { accessSync, closeSync, constants, fsyncSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname, relative, resolve, sep } from "node:path";
import { StoreError } from "../errors.ts";

/**
 * Makes sure that the data folder exists (mode 0700 where it is made here) and can be written.
 *
 * The files in it are SQLite's alone: nothing in this process may open one by `fs`, because closing any descriptor of a
 * file drops the POSIX locks that the whole process holds on it.
 * Throws: `StoreError` saying what is wrong with the path.
 */
export function prepareDataFolder(folder: string): void {
  try {
    const firstMade = mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (firstMade !== undefined) syncParents(firstMade, folder);
    if (!statSync(folder).isDirectory()) throw new StoreError(`${folder} is no folder`);
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw explain(error, folder);
  }
}

/** A power cut must not take the folder's own entry: SQLite syncs the folder, but not what the folder is in. */
function syncParents(firstMade: string, folder: string): void {
  // Windows cannot open a folder, and keeps entries in order without being asked.
  if (process.platform === "win32") return;
  let parent = dirname(resolve(firstMade));
  const steps = relative(parent, folder).split(sep);
  for (const step of steps) {
    const descriptor = openSync(parent, "r");
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    parent = resolve(parent, step);
  }
}

function explain(error: unknown, folder: string): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  switch (error.code) {
    case "EEXIST":
      return new StoreError(`${folder} is a file: the data folder must be a folder`, { cause: error });
    case "ENOTDIR":
      return new StoreError(`${folder} cannot be the data folder: a part of the path is a file`, { cause: error });
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

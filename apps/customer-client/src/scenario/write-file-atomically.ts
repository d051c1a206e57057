import { randomBytes } from "node:crypto";
import type { PathLike } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { open, realpath, rename, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { hasCode, undefinedIfMissing } from "./node-error.ts";

/** The calls that can fail half-way; a test replaces them to see what is left behind. */
export interface AtomicFiles {
  open(path: PathLike, flags: string, mode?: number): Promise<FileHandle>;
  rename(from: PathLike, to: PathLike): Promise<void>;
}

const DEFAULT_MODE = 0o666;

/**
 * Replaces a file's contents as a whole: whoever reads it, at any time and after any crash, sees the old contents or the
 * new ones. The text goes to a new file in the same folder, to disk, and then by a rename to its name. A symbolic link
 * stays one, and its target is replaced. The file's mode is kept. What is no file with contents of its own
 * (`/dev/null`, a pipe) is written to directly.
 *
 * Rejects with: the file system's error. The old file is then as it was and the new one is gone, except when only the
 * last step failed, which makes the rename itself durable.
 */
export async function writeFileAtomically(
  path: string,
  text: string,
  files: AtomicFiles = { open, rename },
): Promise<void> {
  const old = await stat(path).catch(undefinedIfMissing);
  if (old !== undefined && !old.isFile() && !old.isDirectory()) return writeDirectly(path, text, files);

  const target = old === undefined ? path : await realpath(path);
  const folder = dirname(target);
  // Not derived from the target's name, which may already be as long as a name can be.
  const temporary = join(folder, `.bank-${randomBytes(8).toString("hex")}.tmp`);
  try {
    const file = await files.open(temporary, "wx", DEFAULT_MODE);
    try {
      await file.writeFile(text);
      if (old !== undefined) await file.chmod(old.mode & 0o7777);
      await file.sync();
    } finally {
      await file.close();
    }
    await files.rename(temporary, target);
  } catch (error) {
    await unlink(temporary).catch(undefinedIfMissing);
    throw error;
  }
  await syncFolder(folder);
}

async function writeDirectly(path: string, text: string, files: AtomicFiles): Promise<void> {
  const file = await files.open(path, "w");
  try {
    await file.writeFile(text);
  } finally {
    await file.close();
  }
}

/** Makes a rename durable. Windows cannot open folders, and does this by itself. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } catch (error) {
    // Some network file systems cannot do this; the new contents are in place all the same.
    if (!hasCode(error, "EINVAL")) throw error;
  } finally {
    await handle.close();
  }
}

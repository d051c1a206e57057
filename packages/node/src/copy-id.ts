import { mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { toHex } from "@bank/core";
import type { Platform } from "@bank/replica";
import { writeDurably } from "./durable-file.ts";

/** Name of the file, beside the journal. */
export const COPY_ID_FILE = "copy-id";

const COPY_ID_BYTES = 16;

/** The folder that a store URL names, as an absolute path; undefined for a journal in memory alone. */
export function journalFolder(storeUrl: string): string | undefined {
  const path = /^sqlite:(.+)$/i.exec(storeUrl)?.[1];
  return path === undefined ? undefined : resolve(path);
}

/** The id of the copy of a store: of its folder, or, for one in memory alone, another one each time. */
export function copyIdOfStore(storeUrl: string, platform: Pick<Platform, "randomBytes">): Uint8Array {
  const folder = journalFolder(storeUrl);
  return folder === undefined ? platform.randomBytes(COPY_ID_BYTES) : copyIdOf(folder, platform);
}

/**
 * The id of the copy of the journal that lies in this folder: 16 random bytes, made with the folder and never changed.
 * It goes where the journal goes: one that is put aside takes it along, and what begins anew is another copy, which has
 * acknowledged nothing.
 * Throws: an `Error` that says what to do where the file is damaged; the system's errors.
 */
export function copyIdOf(folder: string, platform: Pick<Platform, "randomBytes">): Uint8Array {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, COPY_ID_FILE);
  const known = read(path);
  if (known !== undefined) return known;
  const made = platform.randomBytes(COPY_ID_BYTES);
  writeDurably(path, `${toHex(made)}\n`);
  return made;
}

function read(path: string): Uint8Array | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const hex = text.trimEnd();
  if (!/^[0-9a-f]{32}$/.test(hex))
    throw new Error(
      `${path} is damaged. It names this copy of the journal. Move it away and start again: the copy then counts as a new one.`,
    );
  return new Uint8Array(Buffer.from(hex, "hex"));
}

import { access, constants, open, readFile, stat, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { joinSessions } from "@bank/client";
import { hasCode, undefinedIfMissing } from "./scenario/node-error.ts";
import { writeFileAtomically } from "./scenario/write-file-atomically.ts";
import { UsageError } from "./usage-error.ts";

/** The session that a file holds; undefined where there is no file yet, or an empty one. Rejects with: `UsageError`. */
export async function readSessionFile(file: string): Promise<string | undefined> {
  const text = await readFile(file, "utf8")
    .catch(undefinedIfMissing)
    .catch((error: unknown) => {
      if (!(error instanceof Error)) throw error;
      throw new UsageError(`The session file ${JSON.stringify(file)} cannot be read: ${error.message}`, { file });
    });
  const token = text?.trim();
  return token === "" ? undefined : token;
}

/** Rejects with: `UsageError` where the file could not be kept, before anything is done that would have to be. */
export async function requireKeepable(file: string): Promise<void> {
  await access(dirname(file), constants.W_OK).catch((error: unknown) => {
    if (!(error instanceof Error)) throw error;
    throw new UsageError(`The session file ${JSON.stringify(file)} cannot be written: ${error.message}`, { file });
  });
}

/**
 * Adds what a session has seen to what its file holds, as a whole or not at all. Commands that use the same file at the same
 * time take turns, so that none of them forgets what another has seen.
 */
export async function addToSessionFile(file: string, token: string): Promise<void> {
  const release = await takeTurn(`${file}.lock`);
  try {
    const held = await readSessionFile(file);
    if (held === token) return;
    await writeFileAtomically(file, `${held === undefined ? token : joinSessions(held, token)}\n`);
  } finally {
    await release();
  }
}

const TURN_DELAY_MS = 10;
/** A turn takes a few milliseconds: one that is older was left behind by a command that was killed. */
const TURN_MAX_MS = 5_000;

/** Makes the file that says whose turn it is; gives how to take it away. */
async function takeTurn(lock: string): Promise<() => Promise<void>> {
  for (;;) {
    try {
      await (await open(lock, "wx")).close();
      return () => unlink(lock).catch(undefinedIfMissing);
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw error;
    }
    const since = await stat(lock).catch(undefinedIfMissing);
    if (since !== undefined && Date.now() - since.mtimeMs > TURN_MAX_MS) await unlink(lock).catch(undefinedIfMissing);
    else await delay(TURN_DELAY_MS);
  }
}

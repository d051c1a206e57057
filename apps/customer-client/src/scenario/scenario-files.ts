import { constants } from "node:fs";
import { access, open, realpath, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { SCENARIO_BYTES_MAX } from "./limits.ts";
import { undefinedIfMissing } from "./node-error.ts";
import { readScenario } from "./read-scenario.ts";
import type { Scenario } from "./scenario.ts";
import { ScenarioFileError } from "./scenario-error.ts";

/**
 * Reads and checks a scenario file.
 *
 * Rejects with: `ScenarioFileError` when it cannot be read, `ScenarioInputError` when it holds no scenario.
 */
export async function readScenarioFile(path: string): Promise<Scenario> {
  const bytes = await readAtMost(path, SCENARIO_BYTES_MAX + 1).catch((error: unknown) => {
    throw fileError(path, "cannot be read", error);
  });
  return readScenario(bytes, path);
}

/**
 * Checks, before anything runs, that an output file can be written: an answer that nobody can keep would be a waste of
 * a run. Nothing is created or changed.
 *
 * Rejects with: `ScenarioFileError` when the folder is missing or not writable, the path is a folder, or it is the input.
 */
export async function checkOutputPath(outPath: string, inputPath: string): Promise<void> {
  try {
    const out = await stat(outPath).catch(undefinedIfMissing);
    if (out?.isDirectory()) throw new ScenarioFileError(outPath, "cannot be written: it is a folder");
    // A device or a pipe is written to directly, so that its folder does not matter.
    if (out !== undefined && !out.isFile()) return;
    if (out !== undefined && (await isSameFile(outPath, inputPath))) {
      throw new ScenarioFileError(outPath, "cannot be written: it is the input file");
    }
    await access(dirname(out === undefined ? outPath : await realpath(outPath)), constants.W_OK);
  } catch (error) {
    throw error instanceof ScenarioFileError ? error : fileError(outPath, "cannot be written", error);
  }
}

/** The user's words for a file system error. */
export function fileError(path: string, what: string, error: unknown): ScenarioFileError {
  if (!(error instanceof Error) || !("code" in error)) throw error;
  const cause = CAUSES.get(String(error.code)) ?? error.message;
  return new ScenarioFileError(path, `${what}: ${cause}`);
}

const CAUSES: ReadonlyMap<string, string> = new Map([
  ["ENOENT", "no such file or folder"],
  ["ENOTDIR", "a part of its path is not a folder"],
  ["EISDIR", "it is a folder"],
  ["EACCES", "permission denied"],
  ["EPERM", "permission denied"],
  ["EROFS", "the file system is read-only"],
  ["ENOSPC", "the disk is full"],
]);

/** Also reads what has no size beforehand, such as a pipe; a file that never ends costs no more than the limit. */
async function readAtMost(path: string, bytesMax: number): Promise<Uint8Array> {
  const file = await open(path, "r");
  try {
    const chunks: Buffer[] = [];
    let length = 0;
    while (length < bytesMax) {
      const { bytesRead, buffer } = await file.read({ buffer: Buffer.alloc(Math.min(65_536, bytesMax - length)) });
      if (bytesRead === 0) break;
      chunks.push(buffer.subarray(0, bytesRead));
      length += bytesRead;
    }
    return Buffer.concat(chunks);
  } finally {
    await file.close();
  }
}

async function isSameFile(path: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([stat(path, { bigint: true }), stat(other, { bigint: true })]);
  return a.dev === b.dev && a.ino === b.ino;
}

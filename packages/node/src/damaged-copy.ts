import { readdir } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { InvariantError } from "@bank/core";
import { DigestMismatchError } from "@bank/journal";
import { CorruptStoreError } from "@bank/store";

/** Name of a damaged copy's folder, behind that of the journal; then the time, Unix milliseconds. */
export const DAMAGED = "damaged-";

/** A state that is not what the bank says at an equal chain: rot, or a bug, in this copy's memory or on its disk. */
export function isDamage(error: unknown): boolean {
  if (error instanceof CorruptStoreError) return true;
  return (
    error instanceof Error && (error.cause instanceof DigestMismatchError || error.cause instanceof InvariantError)
  );
}

/** When copies in this folder were found damaged, Unix milliseconds. */
export async function damagesOf(folder: string): Promise<number[]> {
  const prefix = `${basename(folder)}.${DAMAGED}`;
  const names = await readdir(dirname(folder));
  return names.filter((name) => name.startsWith(prefix)).map((name) => Number(name.slice(prefix.length)));
}

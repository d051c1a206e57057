import { bytesEqual } from "@bank/core";
import { nextHash, type Sha256 } from "@bank/journal";
import type { StoredBatch } from "@bank/store";
import { CorruptStoreError } from "@bank/store/errors";

/**
 * Checks that a batch which comes out of a store is what went in: a start replays only what lies behind a snapshot, so of what lies
 * before it nobody has looked at the bytes since they were written. Everything that is answered, or handed on, from a stored batch
 * goes through here.
 * Throws: `CorruptStoreError`.
 */
export function requireIntact(
  sha256: Sha256,
  { firstPosition, lastPosition, previousHash, chainHash, frame }: StoredBatch,
): void {
  if (bytesEqual(nextHash(sha256, previousHash, frame), chainHash)) return;
  throw new CorruptStoreError(
    `the stored batch of positions ${firstPosition} to ${lastPosition} is damaged: its bytes do not lead to its chain hash. ` +
      "bank-server store verify says what else is; a branch that has its whole journal has the same bytes",
  );
}

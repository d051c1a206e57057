import { assert, type Position } from "@bank/core";
import { encodeFrame, nextHash, type Replay, type Sha256 } from "@bank/journal";
import type { StoredBatch } from "@bank/store";
import type { ExecutedBatch } from "./executed-batch.ts";

/** The bytes of a batch that was just executed, which are stored, hashed and handed on, as the next link of the chain. */
export function encodeBatch(
  { firstPosition, timeMs, records }: ExecutedBatch,
  { replay, sha256, committed }: { readonly replay: Replay; readonly sha256: Sha256; readonly committed: Position },
): StoredBatch {
  const { ledger, chainHash: previousHash } = replay;
  const epoch = ledger.currentEpoch();
  assert(epoch !== undefined, "a batch is written under an epoch");
  const digestAfter = ledger.digestBytes();
  const header = { epochId: epoch.id, firstPosition, timeMs, digestAfter, committedPosition: committed };
  const frame = encodeFrame(header, records);
  const chainHash = nextHash(sha256, previousHash, frame);
  return { firstPosition, lastPosition: ledger.position, frame, previousHash, chainHash };
}

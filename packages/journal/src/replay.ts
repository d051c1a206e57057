import type { Ledger, LedgerRecord } from "@bank/core";
import { applyAll, beginBatch, bytesEqual, RecordKind, toHex } from "@bank/core";
import { nextHash } from "./chain.ts";
import { DigestMismatchError, JournalChainError } from "./errors.ts";
import type { Batch } from "./frame.ts";
import { decodeFrame } from "./frame.ts";
import type { Sha256 } from "./sha256.ts";

/** Where a replay of a journal stands: the state, and the hash of everything that led to it. */
export interface Replay {
  readonly ledger: Ledger;
  readonly bankId: Uint8Array;
  /** Chain hash after the last applied batch; the genesis hash before the first. */
  chainHash: Uint8Array;
}

/** A frame as it came from a store or from the network, with the chain hash that its sender claims. */
export interface ReceivedFrame {
  readonly frame: Uint8Array;
  readonly chainHash: Uint8Array;
}

/**
 * Applies the next batch of a journal and checks everything that can be checked: the chain, the position, the time, the
 * bank, the epoch and the digest of the state after it. Whoever commits forgets the ledger's undo steps.
 *
 * Throws: `JournalChainError` (nothing applied) when it does not continue this journal; `JournalFormatError` (nothing
 * applied); `DigestMismatchError` or `InvariantError` after which the ledger must not be used any more.
 */
export function applyFrame(replay: Replay, received: ReceivedFrame, sha256: Sha256): Batch {
  const { ledger } = replay;
  const chainHash = nextHash(sha256, replay.chainHash, received.frame);
  if (!bytesEqual(chainHash, received.chainHash))
    throw new JournalChainError(
      `the batch behind position ${ledger.position} has chain hash ${toHex(received.chainHash)}, ` +
        `and its bytes give ${toHex(chainHash)}`,
    );
  const batch = decodeFrame(received.frame);
  const { header, records } = batch;
  if (header.firstPosition !== ledger.position + 1)
    throw new JournalChainError(`a batch begins at ${header.firstPosition}, and ${ledger.position + 1} comes next`);
  if (header.timeMs < ledger.timeMs)
    throw new JournalChainError(`journal time would run backwards, from ${ledger.timeMs} to ${header.timeMs}`);
  checkEpoch(replay, batch);
  applyBatch(ledger, header.timeMs, records);
  const digest = ledger.digestBytes();
  if (!bytesEqual(digest, header.digestAfter))
    throw new DigestMismatchError(
      `after position ${ledger.position} the state has digest ${toHex(digest)}, ` +
        `and the journal says ${toHex(header.digestAfter)}`,
    );
  replay.chainHash = chainHash;
  return batch;
}

/** Applies decided records under one time. */
export function applyBatch(ledger: Ledger, timeMs: number, records: Iterable<LedgerRecord>): void {
  beginBatch(ledger, timeMs);
  applyAll(ledger, records);
}

function checkEpoch({ ledger, bankId }: Replay, { header, records }: Batch): void {
  const first = records.at(0);
  // `decodeFrame` has seen to it that an epoch begins only here, and is the one of the header.
  if (first?.kind === RecordKind.EPOCH_BEGUN) {
    if (!bytesEqual(first.bankId, bankId))
      throw new JournalChainError(`the journal is of bank ${toHex(first.bankId)}, not of ${toHex(bankId)}`);
    return;
  }
  const epoch = ledger.currentEpoch();
  if (epoch === undefined) throw new JournalChainError("a journal begins with an epoch");
  if (!bytesEqual(epoch.id, header.epochId))
    throw new JournalChainError(`the batch at ${header.firstPosition} was written under another epoch than it should`);
}

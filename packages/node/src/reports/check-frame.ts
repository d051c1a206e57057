import { bytesEqual, type Position, RecordKind, toHex } from "@bank/core";
import { type Batch, decodeFrame, genesisHash, nextHash, type ReceivedFrame, type Sha256 } from "@bank/journal";
import { REBUILD, ReportsMismatchError } from "./errors.ts";
import type { ReportsHead } from "./projected-state.ts";

/** A batch that was proven to be the next one, and where the tables end with it. */
export interface ProvenBatch {
  readonly batch: Batch;
  readonly head: ReportsHead & { readonly bankId: Uint8Array };
}

/** The end of tables with nothing in them. */
export const NO_HEAD: ReportsHead = {
  bankId: undefined,
  position: 0,
  chainHash: new Uint8Array(0),
  epochId: new Uint8Array(0),
  epoch: 0,
  timeMs: 0,
};

/**
 * Decodes the batch behind a head, and checks all that can be checked without a ledger: chain hash, position, time, epoch, bank.
 * Throws: `ReportsMismatchError` where it does not continue; `JournalFormatError`.
 */
export function proveFrame(
  before: ReportsHead,
  bankId: Uint8Array,
  { frame, chainHash }: ReceivedFrame,
  sha256: Sha256,
): ProvenBatch {
  const { position } = before;
  const previous = position === 0 ? genesisHash(sha256, bankId) : before.chainHash;
  if (!bytesEqual(nextHash(sha256, previous, frame), chainHash))
    throw mismatch(position, "the chain hash of the batch behind it is not that of its bytes");
  const batch = decodeFrame(frame);
  const { firstPosition, count, timeMs, epochId } = batch.header;
  if (firstPosition !== position + 1) throw mismatch(position, `the batch behind it begins at ${firstPosition}`);
  if (timeMs < before.timeMs) throw mismatch(position, `time would run backwards behind it`);
  const first = batch.records.at(0);
  let { epoch } = before;
  if (first?.kind === RecordKind.EPOCH_BEGUN) {
    if (!bytesEqual(first.bankId, bankId))
      throw mismatch(position, `an epoch of bank ${toHex(first.bankId)} begins behind it`);
    epoch = first.number;
  } else if (!bytesEqual(epochId, before.epochId)) {
    throw mismatch(position, "the batch behind it was written under another epoch");
  }
  return { batch, head: { bankId, position: firstPosition + count - 1, chainHash, epochId, epoch, timeMs } };
}

function mismatch(position: Position, problem: string): ReportsMismatchError {
  return new ReportsMismatchError(
    `the journal does not continue the tables, which end at position ${position}: ${problem}. ${REBUILD}`,
  );
}

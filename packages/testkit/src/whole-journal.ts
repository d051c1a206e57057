import { Ledger, type LedgerRecord, type Position, toHex } from "@bank/core";
import { applyFrame, genesisHash, type Replay } from "@bank/journal";
import type { JournalStore } from "@bank/store";
import { sha256 } from "./manual-platform.ts";

/** One record with where it stands. */
export interface JournalRecord {
  readonly position: Position;
  readonly timeMs: number;
  readonly epochId: Uint8Array;
  readonly record: LedgerRecord;
}

/** A journal from its first batch to its last, replayed with every check there is. */
export interface WholeJournal {
  readonly records: readonly JournalRecord[];
  /** Sizes of the batches, in records. */
  readonly batchSizes: readonly number[];
  /** Digest of the state after each batch, in hexadecimal, by last position. */
  readonly digests: ReadonlyMap<Position, string>;
  /** The state at its end. */
  readonly replay: Replay;
}

/** Reads and replays all that an open store holds. Rejects where anything in it is wrong, a gap too. */
export async function readWholeJournal(store: JournalStore, bankId: Uint8Array): Promise<WholeJournal> {
  const replay: Replay = {
    ledger: new Ledger({ hashSeed: 7 }),
    bankId,
    chainHash: genesisHash(sha256, bankId),
  };
  const records: JournalRecord[] = [];
  const batchSizes: number[] = [];
  const digests = new Map<Position, string>();
  for (;;) {
    const batches = await store.read(replay.ledger.position);
    if (batches.length === 0) return { records, batchSizes, digests, replay };
    for (const stored of batches) {
      const { header, records: decoded } = applyFrame(replay, stored, sha256);
      const { timeMs, epochId, firstPosition } = header;
      decoded.slice().forEach((record, i) => {
        records.push({ position: firstPosition + i, timeMs, epochId, record });
      });
      batchSizes.push(decoded.length);
      digests.set(stored.lastPosition, toHex(replay.ledger.digestBytes()));
      replay.ledger.forgetUndo(replay.ledger.position);
    }
  }
}

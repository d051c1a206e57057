import { bytesEqual, Ledger, type Position, toHex } from "@bank/core";
import { applyFrame, decodeHeader, genesisHash, loadSnapshot, type Replay } from "@bank/journal";
import type { JournalStore } from "@bank/store";
import { CorruptStoreError } from "@bank/store/errors";
import { errorText, type Platform } from "./platform.ts";

/** What a replica found in its store. */
export interface Recovered {
  readonly replay: Replay;
  /** Position of the snapshot that the replay began with; 0 for none. */
  readonly snapshotPosition: Position;
  /** Records replayed behind the snapshot. */
  readonly replayedRecords: number;
  readonly elapsedMs: number;
}

/** Opens the state of a bank with no records yet. */
export function emptyReplay(bankId: Uint8Array, platform: Platform): Replay {
  return { ledger: newLedger(platform), bankId, chainHash: genesisHash(platform.sha256, bankId) };
}

/**
 * Builds the state from an open store: the newest snapshot that proves right, then every batch behind it. A snapshot
 * that does not is passed over, loudly.
 * Rejects with: `CorruptStoreError` when the journal itself does not prove right.
 */
export async function recover(store: JournalStore, bankId: Uint8Array, platform: Platform): Promise<Recovered> {
  const startedMs = platform.monotonicMs();
  const { replay, snapshotPosition } = await startingPoint(store, bankId, platform);
  await replayTail(store, replay, platform);
  return {
    replay,
    snapshotPosition,
    replayedRecords: replay.ledger.position - snapshotPosition,
    elapsedMs: platform.monotonicMs() - startedMs,
  };
}

async function startingPoint(
  store: JournalStore,
  bankId: Uint8Array,
  platform: Platform,
): Promise<{ replay: Replay; snapshotPosition: Position }> {
  for (const position of await store.snapshotPositions()) {
    try {
      const stored = await store.loadSnapshot(position);
      if (stored === undefined) throw new CorruptStoreError(`the snapshot at position ${position} is gone`);
      const replay = loadSnapshot(stored, { bankId, sha256: platform.sha256, hashSeed: hashSeed(platform) });
      await checkSnapshot(store, position, replay);
      return { replay, snapshotPosition: position };
    } catch (error) {
      platform.log.error("snapshot cannot be used; falling back to an older one or the whole journal", {
        position,
        problem: errorText(error),
      });
    }
  }
  return { replay: emptyReplay(bankId, platform), snapshotPosition: 0 };
}

/** A snapshot proves itself; that it is of this very journal, the batch that ends at its position proves. */
async function checkSnapshot(store: JournalStore, position: Position, { ledger, chainHash }: Replay): Promise<void> {
  const batch = await store.batchAt(position);
  if (batch?.lastPosition !== position || ledger.position !== position || !bytesEqual(batch.chainHash, chainHash))
    throw new CorruptStoreError(`the snapshot at position ${position} is not of this journal`);
  if (!bytesEqual(decodeHeader(batch.frame).digestAfter, ledger.digestBytes()))
    throw new CorruptStoreError(`the snapshot at position ${position} is not of the state that the journal leads to`);
}

async function replayTail(store: JournalStore, replay: Replay, platform: Platform): Promise<void> {
  for (;;) {
    const batches = await store.read(replay.ledger.position);
    if (batches.length === 0) return;
    for (const batch of batches) {
      try {
        applyFrame(replay, batch, platform.sha256);
      } catch (cause) {
        throw new CorruptStoreError(
          `the journal is damaged behind position ${replay.ledger.position} ` +
            `(chain hash ${toHex(replay.chainHash)}): ${errorText(cause)}`,
          { cause },
        );
      }
      replay.ledger.forgetUndo(replay.ledger.position);
    }
  }
}

function newLedger(platform: Platform): Ledger {
  return new Ledger({ hashSeed: hashSeed(platform) });
}

/** A secret of this process: nobody can choose request ids that collide in its table. */
function hashSeed(platform: Platform): number {
  const bytes = platform.randomBytes(4);
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getInt32(0, true);
}

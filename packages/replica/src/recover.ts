import { bytesEqual, Ledger, mark, type Position, rollback, toHex } from "@bank/core";
import { applyFrame, type Batch, decodeHeader, genesisHash, type Replay, SnapshotLoader } from "@bank/journal";
import type { JournalStore, StoredBatch, StoreGap } from "@bank/store";
import { CorruptStoreError, ReadAheadError, StoreError } from "@bank/store/errors";
import { errorText, type Platform } from "./platform.ts";

/** Fewer pages than this are loaded before a thread that reads them ahead has started. */
const THREAD_PAGES_MIN = 256;

/** What a replica found in its store. */
export interface Recovered {
  readonly replay: Replay;
  /** Position of the snapshot that the replay began with; 0 for none. */
  readonly snapshotPosition: Position;
  /**
   * Up to here everything is certainly committed. Behind it is what copies had to acknowledge that count, and of which the
   * journal itself does not say whether they did.
   */
  readonly committedPosition: Position;
  /** Which copies count by what is certainly committed. */
  readonly durability: Ledger["durability"];
  /** What is behind the committed position, where it was not applied. */
  readonly tail: readonly StoredBatch[];
  /** Position of a state in memory that the replay began with instead; undefined where it began with what is stored. */
  readonly warmPosition?: Position;
  /** Records replayed behind what it began with. */
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
 *
 * @param upTo "committed": what is not certainly committed is left out, as a follower must; the bank itself goes on behind
 *   everything that it once appended.
 * @param threadPagesMin snapshots of fewer pages are loaded without a thread that reads ahead.
 */
export async function recover(
  store: JournalStore,
  bankId: Uint8Array,
  platform: Platform,
  upTo: "end" | "committed" = "end",
  threadPagesMin = THREAD_PAGES_MIN,
): Promise<Recovered> {
  const startedMs = platform.monotonicMs();
  const gap = await store.gap();
  if (gap !== undefined && upTo === "end")
    throw new StoreError(
      `a bank needs the whole journal, and what lies before position ${gap.upTo.position + 1} is not all here yet: ` +
        "let the branch run until it has fetched that",
    );
  const { replay, snapshotPosition } = await startingPoint(store, bankId, platform, threadPagesMin);
  const settled = await replayTail(store, replay, platform, upTo);
  return {
    replay,
    snapshotPosition,
    ...settled,
    replayedRecords: replay.ledger.position - snapshotPosition,
    elapsedMs: platform.monotonicMs() - startedMs,
  };
}

async function startingPoint(
  store: JournalStore,
  bankId: Uint8Array,
  platform: Platform,
  threadPagesMin: number,
): Promise<{ replay: Replay; snapshotPosition: Position }> {
  const gap = await store.gap();
  for (const position of await store.snapshotPositions()) {
    // Nothing leads over a gap.
    if (position < (gap?.upTo.position ?? 0)) break;
    try {
      const replay = await loadSnapshot(store, position, { bankId, platform, threadPagesMin });
      if (position === gap?.upTo.position) checkSeed(gap, replay);
      else await checkSnapshot(store, position, replay);
      return { replay, snapshotPosition: position };
    } catch (error) {
      platform.log.error("snapshot cannot be used; falling back to an older one or the whole journal", {
        position,
        problem: errorText(error),
      });
    }
  }
  if (gap !== undefined)
    throw new CorruptStoreError(
      `the journal begins from a snapshot at position ${gap.upTo.position}, and neither that nor a later one can be used`,
    );
  return { replay: emptyReplay(bankId, platform), snapshotPosition: 0 };
}

/** A page at a time, so that what was read is used while it is still in the cache, and a large state is not there twice. */
async function loadSnapshot(
  store: JournalStore,
  position: Position,
  {
    bankId,
    platform,
    threadPagesMin,
  }: { readonly bankId: Uint8Array; readonly platform: Platform; readonly threadPagesMin: number },
): Promise<Replay> {
  const header = await store.snapshotHeader(position);
  if (header === undefined) throw new CorruptStoreError(`the snapshot at position ${position} is gone`);
  const newLoader = () => new SnapshotLoader(header, { bankId, sha256: platform.sha256, hashSeed: hashSeed(platform) });
  let loader = newLoader();
  const { pageCount } = loader;
  if (pageCount >= threadPagesMin && store.checkedPages !== undefined) {
    try {
      for await (const checked of store.checkedPages(position, pageCount)) loader.add(checked.page, checked);
      return loader.finish("own store");
    } catch (error) {
      if (!(error instanceof ReadAheadError)) throw error;
      platform.log.warn("a snapshot is loaded without reading ahead, which takes longer", {
        problem: errorText(error),
      });
      loader = newLoader();
    }
  }
  for (let pageNumber = 0; pageNumber < pageCount; pageNumber++) {
    const page = await store.snapshotPage(position, pageNumber);
    if (page === undefined)
      throw new CorruptStoreError(`the snapshot at ${position} has ${pageNumber} of its ${pageCount} pages`);
    loader.add(page);
  }
  return loader.finish("own store");
}

/** The snapshot that the journal went on from was proven by its journal before it was stored. */
function checkSeed({ upTo }: StoreGap, { ledger, chainHash }: Replay): void {
  if (ledger.position !== upTo.position || !bytesEqual(upTo.chainHash, chainHash))
    throw new CorruptStoreError(`the snapshot at position ${upTo.position} is not what the journal went on from`);
}

/** A snapshot proves itself; that it is of this very journal, the batch that ends at its position proves. */
async function checkSnapshot(store: JournalStore, position: Position, { ledger, chainHash }: Replay): Promise<void> {
  const batch = await store.batchAt(position);
  if (batch?.lastPosition !== position || ledger.position !== position || !bytesEqual(batch.chainHash, chainHash))
    throw new CorruptStoreError(`the snapshot at position ${position} is not of this journal`);
  if (!bytesEqual(decodeHeader(batch.frame).digestAfter, ledger.digestBytes()))
    throw new CorruptStoreError(`the snapshot at position ${position} is not of the state that the journal leads to`);
}

/** Replays every batch of the store behind the replay. */
export async function replayTail(
  store: JournalStore,
  replay: Replay,
  platform: Platform,
  upTo: "end" | "committed",
): Promise<Pick<Recovered, "committedPosition" | "durability" | "tail">> {
  const { ledger } = replay;
  // A snapshot is only of what is committed, and so is what a standby has.
  let committedPosition = ledger.position;
  let { durability } = ledger;
  let told: Position | undefined;
  const tail: StoredBatch[] = [];
  for (;;) {
    const batches = await store.read(tail.at(-1)?.lastPosition ?? ledger.position);
    if (batches.length === 0) return { committedPosition, durability, tail };
    for (const batch of batches) {
      if (tail.length > 0) {
        tail.push(batch);
        continue;
      }
      const before = { ...mark(ledger), chainHash: replay.chainHash, copies: ledger.durability.copies };
      const { records } = replayBatch(replay, batch, platform);
      // Where no copy has to acknowledge it, the bank had committed it before anybody else got it.
      const needsCopies = before.copies > 0 || ledger.durability.copies > 0;
      if (needsCopies) told ??= await toldCommitted(store, before.position);
      if (committedPosition === before.position && (!needsCopies || batch.lastPosition <= (told ?? 0))) {
        committedPosition = ledger.position;
        durability = ledger.durability;
      } else if (upTo === "committed") {
        rollback(ledger, before, records);
        replay.chainHash = before.chainHash;
        tail.push(batch);
      }
      ledger.forgetUndo(ledger.position);
    }
  }
}

/** What the newest stored batch, behind the position, says to be committed before it. */
async function toldCommitted(store: JournalStore, after: Position): Promise<Position> {
  let told: Position = 0;
  for (let position = after; ; ) {
    const last = (await store.read(position)).at(-1);
    if (last === undefined) return told;
    told = decodeHeader(last.frame).committedPosition;
    position = last.lastPosition;
  }
}

/** Its undo steps stay until they are forgotten. */
function replayBatch(replay: Replay, batch: StoredBatch, platform: Platform): Batch {
  try {
    return applyFrame(replay, batch, platform.sha256);
  } catch (cause) {
    throw new CorruptStoreError(
      `the journal is damaged behind position ${replay.ledger.position} ` +
        `(chain hash ${toHex(replay.chainHash)}): ${errorText(cause)}`,
      { cause },
    );
  }
}

function newLedger(platform: Platform): Ledger {
  return new Ledger({ hashSeed: hashSeed(platform) });
}

/** A secret of this process: nobody can choose request ids that collide in its table. */
export function hashSeed(platform: Pick<Platform, "randomBytes">): number {
  const bytes = platform.randomBytes(4);
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getInt32(0, true);
}

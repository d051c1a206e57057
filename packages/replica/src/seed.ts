import { bytesEqual, type Position, RecordKind, toHex } from "@bank/core";
import { applyFrame, type ReceivedFrame, type Replay, SnapshotLoader } from "@bank/journal";
import type { JournalStore, SnapshotSource } from "@bank/store";
import type { FollowedBatch, OpenJournal } from "./follower.ts";
import type { Platform } from "./platform.ts";
import { hashSeed } from "./recover.ts";

/** A snapshot on its way: its header first, then its pages in order. */
export type SnapshotPart =
  | { readonly kind: "header"; readonly header: Uint8Array }
  | { readonly kind: "page"; readonly page: Uint8Array };

/** The server that is followed, as far as a seed needs it. */
export interface SeedSource {
  fetchSnapshot(
    bankId: Uint8Array,
    after: Position,
    signal: AbortSignal,
  ): AsyncGenerator<SnapshotPart, void, undefined>;
  readonly openJournal: OpenJournal;
}

/** When it costs less to begin from a snapshot than to replay what is missing. */
export interface SeedCosts {
  /** Fewer records than this are replayed, whatever a snapshot holds. */
  readonly recordsMin: number;
  /** A snapshot is taken if it saves at least so many records for each of its entries (accounts, ids, holds, reversals). */
  readonly recordsPerEntry: number;
}

/**
 * Measured in processor time: a snapshot of request ids is loaded at 1.4 to 1.8 million entries a second, and that twice (to
 * check it, and to open what was stored); records are replayed at 40,000 a second in batches of one, 300,000 in batches of
 * ten, 700,000 to 850,000 in batches of two thousand. So both cost the same at 0.05, 0.4 and 1 records for each entry. At half
 * a record a snapshot is far better where operations come singly, and up to three times worse where they come in large batches
 * and the bank goes on writing. A branch that is not so far behind is better off with the replay, which shows as it goes: under
 * full load in large batches one second of absence is 50,000 records.
 */
export const SEED_COSTS: SeedCosts = { recordsMin: 500_000, recordsPerEntry: 0.5 };

/** Pages of all kinds but accounts are of so many entries; what is estimated may be too much, never too little. */
const ENTRIES_PER_PAGE = 4_096;

/** What a branch knows when it is about to follow. */
export interface SeedFrom {
  /** 16 bytes. */
  readonly bankId: Uint8Array;
  /** Where its own journal ends; 0 for none. */
  readonly position: Position;
  /** How far the server is. */
  readonly target: Position;
}

/** Where a journal goes on. */
export interface Seeded {
  readonly position: Position;
  readonly pages: number;
  readonly elapsedMs: number;
}

/**
 * Lets a store's journal go on from a snapshot, if that costs less than to replay what is missing: gives undefined if not.
 * Nothing of it counts before all of it is proven: each page is loaded and hashed as it comes, and then the server's journal
 * is replayed from the snapshot's position, with every check there is, until it names the root of the snapshot. What is
 * stored meanwhile is no snapshot before the last step.
 * Rejects with: `FalseSnapshotError`; what the source, the store and the loading of a snapshot reject with.
 */
export async function seed(
  store: JournalStore,
  source: SeedSource,
  from: SeedFrom,
  { platform, costs, signal }: { readonly platform: Platform; readonly costs: SeedCosts; readonly signal: AbortSignal },
): Promise<Seeded | undefined> {
  if (from.target - from.position < costs.recordsMin) return undefined;
  const startedMs = platform.monotonicMs();
  const stopped = new AbortController();
  const parts = source.fetchSnapshot(from.bankId, from.position, AbortSignal.any([signal, stopped.signal]));
  try {
    const offered = await offeredSnapshot(parts, from, { platform, costs });
    if (offered === undefined) return undefined;
    const { header, loader } = offered;
    const { position, chainHash, pageCount: pages } = loader;
    platform.log.info("begins from a snapshot", { position, pages, behind: from.target - from.position });
    const proven: SnapshotSource = {
      position,
      header: () => header,
      pages: (async function* () {
        for await (const page of pagesOf(parts)) yield loader.add(page);
        await confirm(loader.finish("elsewhere"), loader.root, source, from, { platform, signal });
      })(),
    };
    await store.initialize(from.bankId);
    await store.seed(proven, chainHash);
    return { position, pages, elapsedMs: platform.monotonicMs() - startedMs };
  } finally {
    stopped.abort(new Error("the snapshot is there, or is not wanted"));
    await parts.return(undefined);
  }
}

/**
 * Takes the header of a snapshot that comes. Gives undefined where it costs less to replay what is missing.
 * Throws: an `Error` for what is none, or of an earlier position; what `SnapshotLoader` throws.
 */
export async function offeredSnapshot(
  parts: AsyncIterator<SnapshotPart>,
  from: SeedFrom,
  { platform, costs }: { readonly platform: Platform; readonly costs: SeedCosts },
): Promise<{ readonly header: Uint8Array; readonly loader: SnapshotLoader } | undefined> {
  const first = await parts.next();
  if (first.done === true || first.value.kind !== "header") throw new Error("a snapshot begins with its header");
  const { header } = first.value;
  const { sha256 } = platform;
  const loader = new SnapshotLoader(header, { bankId: from.bankId, sha256, hashSeed: hashSeed(platform) });
  const { position, pageCount } = loader;
  if (position <= from.position) throw new Error(`a snapshot of position ${position} is of no use`);
  return position - from.position < costs.recordsPerEntry * pageCount * ENTRIES_PER_PAGE
    ? undefined
    : { header, loader };
}

/** What comes behind the header. */
export async function* pagesOf(parts: AsyncIterable<SnapshotPart>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const part of parts) {
    if (part.kind !== "page") throw new Error("a snapshot has one header");
    yield part.page;
  }
}

/**
 * Replays what is committed of the journal behind the snapshot until that says which root the snapshot must have. The replay goes
 * as far then.
 */
export async function confirm(
  replay: Replay,
  root: Uint8Array,
  source: Pick<SeedSource, "openJournal">,
  from: Pick<SeedFrom, "target">,
  { platform, signal }: { readonly platform: Platform; readonly signal: AbortSignal },
): Promise<void> {
  const { position } = replay.ledger;
  const stopped = new AbortController();
  const head = {
    bankId: replay.bankId,
    epochId: replay.ledger.currentEpoch()?.id,
    position,
    chainHash: replay.chainHash,
  };
  try {
    for await (const received of committedOnly(source.openJournal(head, AbortSignal.any([signal, stopped.signal])))) {
      const { records } = applyFrame(replay, received, platform.sha256);
      replay.ledger.forgetUndo(replay.ledger.position);
      for (const record of records) {
        if (record.kind !== RecordKind.STATE_ROOT || record.position !== position) continue;
        if (bytesEqual(record.root, root)) return;
        throw new FalseSnapshotError(
          `the journal says that the state at position ${position} has root ${toHex(record.root)}, and the snapshot has ${toHex(root)}`,
        );
      }
      if (replay.ledger.position >= from.target)
        throw new FalseSnapshotError(`the journal does not say which root the state at position ${position} has`);
    }
  } finally {
    stopped.abort(new Error("the snapshot is confirmed, or false"));
  }
  throw new Error("the stream ended before the snapshot was confirmed");
}

/** The batches of a stream, each once it is committed. */
async function* committedOnly(stream: AsyncIterable<FollowedBatch>): AsyncGenerator<ReceivedFrame, void, undefined> {
  const waiting: { readonly received: ReceivedFrame; readonly lastPosition: Position }[] = [];
  let committed: Position = 0;
  for await (const { received, lastPosition, committedPosition } of stream) {
    committed = Math.max(committed, committedPosition);
    if (received !== undefined) waiting.push({ received, lastPosition });
    for (let [next] = waiting; next !== undefined && next.lastPosition <= committed; [next] = waiting) {
      waiting.shift();
      yield next.received;
    }
  }
}

/** The journal does not say of a snapshot what it must. */
export class FalseSnapshotError extends Error {
  override readonly name = "FalseSnapshotError";
}

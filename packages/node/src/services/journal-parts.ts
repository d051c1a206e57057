import { bytesEqual, type Position, RefusalError, toHex } from "@bank/core";
import {
  type FetchBatchesRequest,
  type FetchBatchesResponse,
  FetchBatchesResponseSchema,
  type FetchSnapshotRequest,
  type FetchSnapshotResponse,
  FetchSnapshotResponseSchema,
} from "@bank/proto";
import type { JournalFeed, SnapshotPart } from "@bank/replica";
import type { JournalStore } from "@bank/store";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";

/** What of a store is served besides the stream of its journal. */
export type ServedStore = Pick<JournalStore, "read" | "snapshotPositions" | "snapshotHeader" | "snapshotPage">;

/** A journal as far as its snapshots and its past are served. */
export interface ServedJournal {
  readonly bankId: Uint8Array;
  readonly store: ServedStore;
  /** The newest position of which the journal says which root its state has. */
  readonly rootPosition: Position | undefined;
  readonly feed: JournalFeed;
  /** A snapshot of whom this server follows; undefined at the bank. */
  readonly passOnSnapshot: ((after: Position, signal: AbortSignal) => AsyncIterable<SnapshotPart>) | undefined;
}

/**
 * The newest snapshot that the journal proves, a page at a time, as fast as it is taken. Where there is none here, that of
 * whom this server follows.
 */
export async function* snapshotParts(
  journal: ServedJournal,
  request: FetchSnapshotRequest,
  signal: AbortSignal,
): AsyncGenerator<FetchSnapshotResponse> {
  requireBank(journal, request.bankId);
  const after = Number(request.afterPosition);
  const { store, rootPosition, passOnSnapshot } = journal;
  const header =
    rootPosition === undefined || rootPosition <= after ? undefined : await store.snapshotHeader(rootPosition);
  if (rootPosition === undefined || header === undefined) {
    if (passOnSnapshot === undefined) throw new RefusalError("SNAPSHOT_NOT_FOUND", { position: String(after) });
    for await (const part of passOnSnapshot(after, signal)) yield message(part);
    return;
  }
  yield message({ kind: "header", header });
  for (let pageNumber = 0; !signal.aborted; pageNumber++) {
    const page = await store.snapshotPage(rootPosition, pageNumber);
    if (page !== undefined) yield message({ kind: "page", page });
    else if ((await store.snapshotHeader(rootPosition)) !== undefined) return;
    else throw new ConnectError("the snapshot was replaced by newer ones: fetch again", Code.Unavailable);
  }
}

/** Committed batches of the past. */
export async function* pastBatches(
  journal: ServedJournal,
  request: FetchBatchesRequest,
  signal: AbortSignal,
): AsyncGenerator<FetchBatchesResponse> {
  requireBank(journal, request.bankId);
  const last = Math.min(Number(request.lastPosition), journal.feed.committedPosition);
  let position = Number(request.afterPosition);
  while (position < last && !signal.aborted) {
    const batches = await journal.store.read(position);
    if (batches.length === 0) return;
    for (const { frame, chainHash, lastPosition } of batches) {
      if (lastPosition > last) return;
      yield create(FetchBatchesResponseSchema, { frame, chainHash });
      position = lastPosition;
    }
  }
}

function message(part: SnapshotPart): FetchSnapshotResponse {
  return create(FetchSnapshotResponseSchema, {
    part: part.kind === "header" ? { case: "header", value: part.header } : { case: "page", value: part.page },
  });
}

function requireBank({ bankId }: ServedJournal, asked: Uint8Array): void {
  if (asked.length > 0 && !bytesEqual(asked, bankId))
    throw new RefusalError("JOURNAL_DIVERGED", {
      problem: `it is of bank ${toHex(asked)}, and this is bank ${toHex(bankId)}`,
    });
}

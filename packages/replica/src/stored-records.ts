import { assert, type Position, RecordKind, RefusalError } from "@bank/core";
import { FrameReader } from "@bank/journal";
import type { JournalStore } from "@bank/store";
import { CorruptStoreError, StoreClosedError } from "@bank/store/errors";
import { nextTurn } from "./next-turn.ts";
import { notHereYet } from "./not-here-yet.ts";
import type { CommittedRecord } from "./outcome.ts";
import type { Platform } from "./platform.ts";
import { requireIntact } from "./require-intact.ts";

export interface ReadFrom {
  readonly store: JournalStore;
  readonly platform: Pick<Platform, "defer" | "sha256">;
}

/**
 * Reads the batch with a position that is known to be stored, and decodes nothing of it yet.
 * Rejects with: what `JournalStore.batchAt` rejects with; `CorruptStoreError` where it is not what was stored; `InvariantError` where the store lacks it.
 */
export async function readFrameAt({ store, platform }: ReadFrom, position: Position): Promise<FrameReader> {
  const stored = await store.batchAt(position);
  assert(stored !== undefined, `the batch with position ${position} is in the store`);
  requireIntact(platform.sha256, stored);
  const frame = new FrameReader(stored.frame);
  // Its bytes are as they were written, and stand at another place.
  if (!contains(frame, position))
    throw new CorruptStoreError(
      `what is stored for position ${position} is the batch that begins at ${frame.header.firstPosition}`,
    );
  return frame;
}

/** What a read of a batch gives; where it is damaged, that. Rejects with every other error of it. */
export function readUnlessDamaged(
  read: (position: Position) => Promise<FrameReader>,
  position: Position,
): Promise<FrameReader | CorruptStoreError> {
  return read(position).catch((error: unknown) => {
    if (error instanceof CorruptStoreError) return error;
    throw error;
  });
}

/** Those of the positions that the batch contains, in no order. */
export function positionsIn(frame: FrameReader, positions: ReadonlyMap<Position, unknown>): Position[] {
  const { firstPosition, count } = frame.header;
  if (positions.size < count) return [...positions.keys()].filter((position) => contains(frame, position));
  const within: Position[] = [];
  for (let position = firstPosition; position < firstPosition + count; position++)
    if (positions.has(position)) within.push(position);
  return within;
}

/** The records at positions of the batch, in the order given. */
export function committedRecords(frame: FrameReader, positions: readonly Position[]): CommittedRecord[] {
  const { timeMs } = frame.header;
  return frame.recordsAt(positions).map((record, i) => {
    const position = positions[i] as Position;
    if (record.kind !== RecordKind.GROUP_COMMITTED) return { record, position, timeMs };
    const first = position - record.records;
    const groupRecords = frame.recordsAt(Array.from({ length: record.records }, (_, j) => first + j));
    return { record, position, timeMs, groupRecords };
  });
}

/**
 * Gives the record of each position, each stored batch read once, with a turn of the event loop between them. All
 * positions are known to be stored. Rejects as `readFrameAt`.
 *
 * @param all in any order.
 * @param visit called by ascending position.
 */
export async function visitRecords<Asked extends { readonly position: Position }>(
  from: ReadFrom,
  all: readonly Asked[],
  visit: (asked: Asked, record: CommittedRecord) => void,
): Promise<void> {
  let frame: FrameReader | undefined;
  for (const asked of [...all].sort((a, b) => a.position - b.position)) {
    const { position } = asked;
    if (frame === undefined || !contains(frame, position)) {
      if (frame !== undefined) await nextTurn(from.platform);
      frame = await readFrameAt(from, position);
    }
    visit(asked, recordIn(frame, position));
  }
}

/** One record that is known to be stored. Rejects as `readFrameAt`. */
export async function readRecordAt(from: ReadFrom, position: Position): Promise<CommittedRecord> {
  return recordIn(await readFrameAt(from, position), position);
}

/**
 * What was read for somebody outside, who may come while the store is not open, or for what it does not have yet: that is
 * `RefusalError` NOT_READY.
 */
export async function forReader<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (cause) {
    if (!(cause instanceof StoreClosedError)) throw notHereYet(cause);
    throw new RefusalError("NOT_READY", { problem: "its journal is not open" }, "NOT_APPLIED", { cause });
  }
}

function contains({ header: { firstPosition, count } }: FrameReader, position: Position): boolean {
  return position >= firstPosition && position < firstPosition + count;
}

function recordIn(frame: FrameReader, position: Position): CommittedRecord {
  const [record] = committedRecords(frame, [position]);
  assert(record !== undefined, `the batch has a record at position ${position}`);
  return record;
}

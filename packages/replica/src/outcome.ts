import {
  type LedgerRecord,
  type Position,
  RecordKind,
  type Records,
  type RefusalError,
  type RejectedRecord,
} from "@bank/core";
import type { Batch } from "@bank/journal";

/** One committed record, with what it cannot say by itself. */
export interface CommittedRecord {
  readonly record: LedgerRecord;
  readonly position: Position;
  /** Journal time of the record, Unix milliseconds. */
  readonly timeMs: number;
  /** Of a `GROUP_COMMITTED` record: those that belong to the group, in order, the last at `position − 1`. Else undefined. */
  readonly groupRecords?: readonly LedgerRecord[] | undefined;
}

/** What became of one request. */
export type Outcome = Answered | Refused;

/** A record answers it: by its effect, or by a rejection. For ever. */
export interface Answered extends CommittedRecord {
  readonly kind: "answered";
  /** The request was answered before, and this is that answer. */
  readonly replayed: boolean;
}

/** Nothing stands in the journal for this attempt, and it used up no request id. */
export interface Refused {
  readonly kind: "refused";
  readonly error: RefusalError;
  /** The committed position that this was computed from; 0 where it follows from the request alone, or from no state. */
  readonly position: Position;
}

/** What is known of a request id. */
export type RequestStatus =
  /** It was answered, and this is the answer, marked as replayed. */
  | Answered
  /** It is waiting its turn, or on its way to the disk. Only the bank itself knows of such. */
  | { readonly kind: "inProgress" }
  /** It was not seen up to the position. That is not final: its first attempt may still be on its way. */
  | { readonly kind: "notSeen" };

/** What would become of a request. */
export type Preview<T> = Previewed<T> | Outcome;

/** It would be carried out or rejected, and nothing was changed. */
export interface Previewed<T> {
  readonly kind: "previewed";
  /** What the caller made of the records. */
  readonly value: T;
  /** The committed position that this was computed from. */
  readonly position: Position;
}

export function isRejected(outcome: Answered): outcome is Answered & { readonly record: RejectedRecord } {
  return "rejection" in outcome.record;
}

/** The record at a position of the batch; undefined where the batch has none. */
export function recordOfBatch(
  batch: { readonly header: Pick<Batch["header"], "firstPosition" | "timeMs">; readonly records: Records },
  position: Position,
): CommittedRecord | undefined {
  const index = position - batch.header.firstPosition;
  const record = batch.records.at(index);
  if (record === undefined) return undefined;
  const { timeMs } = batch.header;
  if (record.kind !== RecordKind.GROUP_COMMITTED) return { record, position, timeMs };
  return { record, position, timeMs, groupRecords: batch.records.slice(index - record.records, index) };
}

import type { Ledger, Position } from "@bank/core";
import type { CommittedRecord, Consistency, ReadResult, RequestStatus } from "@bank/replica";

/** What was read, and from which state of which time. */
export interface TimedResult<T> extends ReadResult<T> {
  /** Journal time of the position, Unix milliseconds; undefined before the first record. */
  readonly timeMs: number | undefined;
}

/** What the bank's replica and a branch's have in common. */
export interface Readable {
  read<T>(consistency: Consistency, query: (ledger: Ledger) => T, signal?: AbortSignal): Promise<ReadResult<T>>;
  readonly ledger: Ledger;
  recordAt(position: Position, signal?: AbortSignal): Promise<CommittedRecord | undefined>;
}

/** Reads, and tells of which time the state is. Rejects with what `read` rejects with. */
export async function timedRead<T>(
  replica: Pick<Readable, "read">,
  consistency: Consistency,
  query: (ledger: Ledger) => T,
  signal: AbortSignal,
): Promise<TimedResult<T>> {
  const { value: read, ...state } = await replica.read(
    consistency,
    (ledger) => ({ value: query(ledger), timeMs: timeOf(ledger) }),
    signal,
  );
  return { ...state, ...read };
}

/** Adds of which time the state is that an outcome was looked for in. Rejects with what `recordAt` rejects with. */
export async function timedOutcome(
  replica: Omit<Readable, "read">,
  found: ReadResult<RequestStatus>,
  signal: AbortSignal,
): Promise<TimedResult<RequestStatus>> {
  const { position } = found;
  const { ledger } = replica;
  // It may have gone on since, or be ahead of what is on the disk.
  if (ledger.position === position) return { ...found, timeMs: timeOf(ledger) };
  return { ...found, timeMs: (await replica.recordAt(position, signal))?.timeMs };
}

function timeOf(ledger: Ledger): number | undefined {
  return ledger.position === 0 ? undefined : ledger.timeMs;
}

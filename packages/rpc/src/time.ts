import { TIME_MS_MAX } from "@bank/core";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { malformed } from "./malformed.ts";

const NANOS_PER_MS = 1_000_000;
const NANOS_PER_SECOND = 1_000_000_000;
const SECONDS_MAX = BigInt(Math.floor(TIME_MS_MAX / 1_000));

// Every timestamp that somebody sends is read here. Each function takes the path of its field, for the refusal, and of
// what is in a group the number of its item, from 1. Each throws `RefusalError` INVALID_REQUEST for what is no timestamp
// (its nanoseconds are not from 0 to 999,999,999), and for a moment before 1970 or after 9999.

/**
 * A moment in Unix milliseconds, 0 to `TIME_MS_MAX`, as the ledger takes it.
 * Throws also for a moment between two milliseconds.
 */
export function unixMs(timestamp: Timestamp, field: string, item?: number): number {
  const ms = unixMsDown(timestamp, field, item);
  if (timestamp.nanos % NANOS_PER_MS !== 0)
    throw malformed([{ field, description: "must be in whole milliseconds" }], item);
  return ms;
}

/** The millisecond that a moment is in, 0 to `TIME_MS_MAX`. */
export function unixMsDown({ seconds, nanos }: Timestamp, field: string, item?: number): number {
  if (!Number.isInteger(nanos) || nanos < 0 || nanos >= NANOS_PER_SECOND)
    throw malformed([{ field, description: "must have nanos from 0 to 999999999" }], item);
  if (seconds < 0n || seconds > SECONDS_MAX)
    throw malformed([{ field, description: "must be a time from 1970 to 9999" }], item);
  return Number(seconds) * 1_000 + Math.floor(nanos / NANOS_PER_MS);
}

/** The first millisecond that is not before a moment: the year 10000 begins with the last that there can be. */
export function unixMsUp(timestamp: Timestamp, field: string, item?: number): number {
  const ms = unixMsDown(timestamp, field, item);
  return timestamp.nanos % NANOS_PER_MS === 0 ? ms : ms + 1;
}

/** Unix milliseconds as they cross the wire. */
export function timestampMessage(ms: number): Timestamp {
  const seconds = Math.floor(ms / 1_000);
  // A literal, as in messages.ts.
  return {
    $typeName: "google.protobuf.Timestamp",
    seconds: BigInt(seconds),
    nanos: (ms - seconds * 1_000) * NANOS_PER_MS,
  };
}

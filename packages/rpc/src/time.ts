import { TIME_MS_MAX } from "@bank/core";
import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { malformed } from "./malformed.ts";

const NANOS_PER_MS = 1_000_000;

/**
 * A moment in Unix milliseconds, 0 to `TIME_MS_MAX`, as the ledger takes it.
 * Throws: `RefusalError` INVALID_REQUEST for a moment between two milliseconds, before 1970 or after 9999.
 *
 * @param field path of the field, for the refusal.
 * @param item which item of a group it is in, from 1.
 */
export function unixMs({ seconds, nanos }: Timestamp, field: string, item?: number): number {
  const ms = Number(seconds) * 1_000 + nanos / NANOS_PER_MS;
  const isTimestamp = nanos >= 0 && nanos < 1_000 * NANOS_PER_MS;
  if (!isTimestamp || ms < 0 || ms > TIME_MS_MAX)
    throw malformed([{ field, description: "must be a time from 1970 to 9999" }], item);
  if (nanos % NANOS_PER_MS !== 0) throw malformed([{ field, description: "must be in whole milliseconds" }], item);
  return ms;
}

/** Unix milliseconds as they cross the wire. */
export function timestampMessage(ms: number): Timestamp {
  return timestampFromMs(ms);
}

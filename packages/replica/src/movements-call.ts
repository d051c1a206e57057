import type { BranchNumber, Position } from "@bank/core";

/** Many movements of one caller in columns, as a branch passes them on: encoded, as they came in. */
export interface MovementsCall {
  /** Where they are booked. */
  readonly branch: BranchNumber;
  /** The caller's session token; empty for none. */
  readonly session: string;
  /** An encoded `ExecuteMovementsRequest`. */
  readonly movements: Uint8Array;
}

/** What the bank said about one of them. */
export interface MovementsAnswer {
  /** An encoded `ExecuteMovementsResponse`; or why nothing of the call was begun, or nothing is known of it. */
  readonly result: Uint8Array | Error;
  /** The position that it was computed from. */
  readonly position: Position;
  /** The epoch of that position, 16 bytes; empty where it is not said. */
  readonly epochId: Uint8Array;
}

/** Each row takes at least three columns of eight bytes. */
const ROW_BYTES_MIN = 24;
/** Besides its rows, what a call costs. */
const CALL_WEIGHT = 2;

/** An upper bound on the rows of a call, and a little more, for there may be many calls of one row. */
export function weightOf({ movements }: MovementsCall): number {
  return CALL_WEIGHT + Math.ceil(movements.length / ROW_BYTES_MIN);
}

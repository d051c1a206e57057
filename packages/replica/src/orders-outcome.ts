import type { Position } from "@bank/core";
import type { Outcome } from "./outcome.ts";

/** What became of the entries of `MovementOrders`, in columns. */
export interface OrdersOutcome {
  /** Per entry the position of the record that answers it; 0 where nothing in the journal does. */
  readonly positions: Float64Array;
  /** Per entry the journal time of that record, Unix milliseconds; 0 for the entries in `others`. */
  readonly timesMs: Float64Array;
  /** Entries that were not plainly done now (rejected, refused, or answered before), by ascending index. */
  readonly others: ReadonlyMap<number, Outcome>;
  /** The highest position that any of it was computed from; committed. 0 where all of it follows from the requests alone. */
  readonly position: Position;
}

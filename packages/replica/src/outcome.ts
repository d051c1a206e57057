import type { LedgerRecord, Position, RefusalError, RejectedRecord } from "@bank/core";

/** What became of one request. */
export type Outcome = Answered | Refused;

/** A record answers it: by its effect, or by a rejection. For ever. */
export interface Answered {
  readonly kind: "answered";
  readonly record: LedgerRecord;
  readonly position: Position;
  /** Journal time of the record, Unix milliseconds. */
  readonly timeMs: number;
  /** The request was answered before, and this is that answer. */
  readonly replayed: boolean;
}

/** Nothing stands in the journal for this attempt, and it used up no request id. */
export interface Refused {
  readonly kind: "refused";
  readonly error: RefusalError;
}

export function isRejected(outcome: Answered): outcome is Answered & { readonly record: RejectedRecord } {
  return "rejection" in outcome.record;
}

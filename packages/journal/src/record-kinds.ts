import type { LedgerRecord, RecordKind } from "@bank/core";

/** How the column of kinds packs what a record is: the kind in the low seven bits. */
export const KIND_MASK = 0x7f;
/** The high bit says that the record answers a request. */
export const ANSWERS_REQUEST = 0x80;

/** What every record of a single hold has in common: they share a column. */
export type HoldRecord = Extract<
  LedgerRecord,
  {
    kind:
      | typeof RecordKind.HOLD_PLACED
      | typeof RecordKind.HOLD_CAPTURED
      | typeof RecordKind.HOLD_RELEASED
      | typeof RecordKind.HOLD_EXTENDED;
  }
>;

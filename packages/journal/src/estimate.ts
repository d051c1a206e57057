import type { LedgerRecord } from "@bank/core";
import { isMovement, RecordKind } from "@bank/core";

/** Kind 1, index of the actor 3, id 16 and hash 8 of the request. */
const COMMON_BYTES = 28;
/** Tag and length of an entry, of its fields, and the integers in it. */
const ENTRY_BYTES = 68;

/** An upper bound on what a record adds to a frame, its actor included, whatever else the frame holds. */
export function estimateBytes(record: LedgerRecord): number {
  return COMMON_BYTES + actorBytes(record.principal) + contentBytes(record);
}

function contentBytes(record: LedgerRecord): number {
  if (isMovement(record)) return 16;
  switch (record.kind) {
    case RecordKind.ACCOUNT_OPENED:
      return ENTRY_BYTES + textBytes(record.name) + textBytes(record.owner) + textBytes(record.displayName);
    case RecordKind.BRANCH_REGISTERED:
      return ENTRY_BYTES + textBytes(record.name) + textBytes(record.address);
    case RecordKind.CURRENCY_DEFINED:
      return ENTRY_BYTES + textBytes(record.code);
    case RecordKind.REJECTED: {
      let bytes = ENTRY_BYTES;
      for (const [key, value] of Object.entries(record.rejection.metadata)) bytes += textBytes(key) + textBytes(value);
      return bytes;
    }
    case RecordKind.EPOCH_BEGUN:
    case RecordKind.STATE_ROOT:
      return ENTRY_BYTES;
  }
}

/** What the dictionary grows by when nobody acted as this principal, at this branch, before in the frame. */
function actorBytes(principal: string): number {
  return 8 + textBytes(principal);
}

/** UTF-8 takes at most three bytes for a UTF-16 code unit; tag and length take five more. */
function textBytes(text: string): number {
  return 5 + 3 * text.length;
}

import type { LedgerRecord, Metadata } from "@bank/core";
import { isMovement, RecordKind } from "@bank/core";

/** Kind 1, index of the actor 3, id 16 and hash 8 of the request. */
const COMMON_BYTES = 28;
/** Tag and length of an entry, of its fields, and the integers in it. */
const ENTRY_BYTES = 68;
/** The same of entries of which there may be many in a batch, as near as may be: a tag has up to 2 bytes, the length 1. */
const LEVEL_BYTES = 3 + 6;
const STATE_CHANGED_BYTES = 3 + 6 + 2;
const BRANCH_STATE_BYTES = 3 + 4 + 2;
const DURABILITY_BYTES = 4 + 2;
const MEMBER_BYTES = 2 + 4 + 18;
const REVERSAL_BYTES = 3 + 9 + 6 + 6 + 9;
const INTEREST_BYTES = 3 + 6 + 6 + 9 + 6 + 9;
const HOLD_BYTES = 3 + 9 + 6 + 9 + 9 + 9 + 6 + 9;

/** An upper bound on what a record adds to a frame, its actor included, whatever else the frame holds. */
export function estimateBytes(record: LedgerRecord): number {
  return COMMON_BYTES + actorBytes(record.principal) + contentBytes(record);
}

function contentBytes(record: LedgerRecord): number {
  if (isMovement(record)) return 16;
  switch (record.kind) {
    case RecordKind.ACCOUNT_OPENED: {
      const { name, owner, displayName, alias = "", metadata = {} } = record;
      const names = textBytes(name) + textBytes(alias) + textBytes(owner) + textBytes(displayName);
      return ENTRY_BYTES + names + metadataBytes(metadata);
    }
    case RecordKind.ACCOUNT_UPDATED:
      return ENTRY_BYTES + textBytes(record.displayName) + metadataBytes(record.metadata);
    case RecordKind.BRANCH_REGISTERED:
      return ENTRY_BYTES + textBytes(record.name) + textBytes(record.address);
    case RecordKind.CURRENCY_DEFINED:
      return ENTRY_BYTES + textBytes(record.code);
    case RecordKind.REJECTED:
      return ENTRY_BYTES + metadataBytes(record.rejection.metadata);
    case RecordKind.FORMAT_LEVEL_RAISED:
      return LEVEL_BYTES;
    case RecordKind.ACCOUNT_STATE_CHANGED:
      return STATE_CHANGED_BYTES;
    case RecordKind.REVERSAL:
      return REVERSAL_BYTES;
    case RecordKind.INTEREST_APPLIED:
      return INTEREST_BYTES;
    case RecordKind.HOLD_PLACED:
    case RecordKind.HOLD_CAPTURED:
    case RecordKind.HOLD_RELEASED:
    case RecordKind.HOLD_EXTENDED:
      return HOLD_BYTES;
    case RecordKind.HOLDS_EXPIRED:
      // A position has 53 bits, and an integer seven in each byte.
      return ENTRY_BYTES + 8 * record.holds.length;
    case RecordKind.GROUP_COMMITTED:
      return 5;
    case RecordKind.TIME_TICKED:
      return 0;
    case RecordKind.BRANCH_STATE_CHANGED:
      return BRANCH_STATE_BYTES;
    case RecordKind.DURABILITY_SET:
      return DURABILITY_BYTES + MEMBER_BYTES * record.members.length;
    case RecordKind.EPOCH_BEGUN:
    case RecordKind.STATE_ROOT:
      return ENTRY_BYTES;
  }
}

/** What the dictionary grows by when nobody acted as this principal, at this branch, before in the frame. */
function actorBytes(principal: string): number {
  return 8 + textBytes(principal);
}

function metadataBytes(metadata: Metadata): number {
  let bytes = 0;
  for (const [key, value] of Object.entries(metadata)) bytes += textBytes(key) + textBytes(value);
  return bytes;
}

/** UTF-8 takes at most three bytes for a UTF-16 code unit; tag and length take five more. */
function textBytes(text: string): number {
  return 5 + 3 * text.length;
}

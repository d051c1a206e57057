import type { BranchNumber, LedgerRecord, RequestKey } from "@bank/core";
import { RecordKind } from "@bank/core";
import type { BatchPayload } from "@bank/proto";
import { safeInteger } from "./decode.ts";
import {
  accountOpened,
  accountStateChanged,
  accountUpdated,
  branchStateChanged,
  currencyDefined,
  durabilitySet,
  epochBegun,
  holdCaptured,
  holdKept,
  holdPlaced,
  interestApplied,
  rejected,
  reversal,
  stateRoot,
} from "./decode-entries.ts";
import { JournalFormatError } from "./errors.ts";

/** The columns whose values belong to one record each, apart from movements. */
export type EntryColumn = Exclude<
  keyof BatchPayload,
  | "$typeName"
  | "$unknown"
  | "kinds"
  | "actors"
  | "actor"
  | "requestIds"
  | "requestHashes"
  | "debit"
  | "credit"
  | "amount"
>;

/** Gives the value that a record has in a column. Throws: `JournalFormatError` where the column does not have it. */
export type TakeEntry = <Name extends EntryColumn>(name: Name) => BatchPayload[Name][number];

/** What every record has. */
export interface Acted {
  readonly principal: string;
  readonly branch: BranchNumber;
  readonly request: RequestKey | undefined;
}

/** A record that is no movement. Throws: `JournalFormatError`. */
export function decodeEntry(kind: number, { principal, branch, request }: Acted, take: TakeEntry): LedgerRecord {
  switch (kind) {
    case RecordKind.ACCOUNT_OPENED:
      return { kind, principal, branch, request, ...accountOpened(take("accountsOpened")) };
    case RecordKind.REJECTED:
      return { kind, principal, branch, request, ...rejected(take("rejections")) };
    case RecordKind.EPOCH_BEGUN:
      return { kind, principal, branch, request, ...epochBegun(take("epochsBegun")) };
    case RecordKind.CURRENCY_DEFINED:
      return { kind, principal, branch, request, ...currencyDefined(take("currenciesDefined")) };
    case RecordKind.BRANCH_REGISTERED: {
      const { branch: number, name, address } = take("branchesRegistered");
      return { kind, principal, branch, request, number, name, address };
    }
    case RecordKind.STATE_ROOT:
      return { kind, principal, branch, request, ...stateRoot(take("stateRoots")) };
    case RecordKind.FORMAT_LEVEL_RAISED:
      return { kind, principal, branch, request, level: take("formatLevelsRaised").level };
    case RecordKind.ACCOUNT_UPDATED:
      return { kind, principal, branch, request, ...accountUpdated(take("accountsUpdated")) };
    case RecordKind.ACCOUNT_STATE_CHANGED:
      return { kind, principal, branch, request, ...accountStateChanged(take("accountStatesChanged")) };
    case RecordKind.REVERSAL:
      return { kind, principal, branch, request, ...reversal(take("reversals")) };
    case RecordKind.INTEREST_APPLIED:
      return { kind, principal, branch, request, ...interestApplied(take("interestsApplied")) };
    case RecordKind.HOLD_PLACED:
      return { kind, principal, branch, request, ...holdPlaced(take("holdsChanged")) };
    case RecordKind.HOLD_CAPTURED:
      return { kind, principal, branch, request, ...holdCaptured(take("holdsChanged")) };
    case RecordKind.HOLD_RELEASED:
    case RecordKind.HOLD_EXTENDED:
      return { kind, principal, branch, request, ...holdKept(take("holdsChanged")) };
    case RecordKind.HOLDS_EXPIRED: {
      const holds = take("holdsExpired").holds.map((hold) => safeInteger(hold, "position of a hold"));
      return { kind, principal, branch, request, holds };
    }
    case RecordKind.GROUP_COMMITTED:
      return { kind, principal, branch, request, records: take("groupsCommitted") };
    case RecordKind.TIME_TICKED:
      return { kind, principal, branch, request };
    case RecordKind.BRANCH_STATE_CHANGED:
      return { kind, principal, branch, request, ...branchStateChanged(take("branchStatesChanged")) };
    case RecordKind.DURABILITY_SET:
      return { kind, principal, branch, request, ...durabilitySet(take("durabilitiesSet")) };
    default:
      throw unknownKind(kind);
  }
}

export function unknownKind(kind: number): JournalFormatError {
  return new JournalFormatError(`record kind ${kind} is unknown: use a newer program`);
}

import type { AccountState, AccountType, Metadata } from "./account.ts";
import type { BranchState, DurabilityMember } from "./branch.ts";
import type { AccountIndex, BranchNumber, CurrencyIndex, Position, RequestId } from "./identifiers.ts";
import type { RejectionReason } from "./reasons.ts";

/**
 * What the journal holds: decided effects, never commands. `apply` of any version gives the same state for them, while
 * the rules in `decide` may change from version to version.
 */
export const RecordKind = {
  DEPOSIT: 1,
  WITHDRAWAL: 2,
  TRANSFER: 3,
  ACCOUNT_OPENED: 4,
  REJECTED: 5,
  EPOCH_BEGUN: 6,
  CURRENCY_DEFINED: 7,
  BRANCH_REGISTERED: 8,
  STATE_ROOT: 9,
  FORMAT_LEVEL_RAISED: 10,
  ACCOUNT_UPDATED: 11,
  ACCOUNT_STATE_CHANGED: 12,
  REVERSAL: 13,
  INTEREST_APPLIED: 14,
  HOLD_PLACED: 15,
  HOLD_CAPTURED: 16,
  HOLD_RELEASED: 17,
  HOLD_EXTENDED: 18,
  HOLDS_EXPIRED: 19,
  GROUP_COMMITTED: 20,
  TIME_TICKED: 21,
  BRANCH_STATE_CHANGED: 22,
  DURABILITY_SET: 23,
} as const;
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];

/**
 * What may stand in a journal grows by levels. At level 1 there are the kinds up to `STATE_ROOT`, and accounts without
 * alias, metadata, ceiling and overdraft; at level 2 the kinds up to `TIME_TICKED`; at level 3 everything. A journal begins at
 * level 1, and a `FORMAT_LEVEL_RAISED` record raises it once all who read the journal know the level.
 */
export const FORMAT_LEVEL_MAX = 3;

/** The request that a record answers, kept with the effect so that it can never happen twice. */
export interface RequestKey {
  readonly id: RequestId;
  /** Hash over the normalised command: two halves of 64 bits, each as a signed 32-bit number. */
  readonly hashLow: number;
  readonly hashHigh: number;
}

interface Acted {
  /** Who acted; the bank's own records have `SYSTEM_PRINCIPAL`. */
  readonly principal: string;
  /** Where; 0 is the head office. */
  readonly branch: BranchNumber;
  /** Undefined on records that no caller asked for by themselves. */
  readonly request: RequestKey | undefined;
}

/** `amount` leaves `debit` and reaches `credit`; both are of one currency. */
export interface MovementRecord extends Acted {
  readonly kind: typeof RecordKind.DEPOSIT | typeof RecordKind.WITHDRAWAL | typeof RecordKind.TRANSFER;
  readonly debit: AccountIndex;
  readonly credit: AccountIndex;
  /** Minor units, 1 to `AMOUNT_MAX`. */
  readonly amount: bigint;
}

export interface AccountOpenedRecord extends Acted {
  readonly kind: typeof RecordKind.ACCOUNT_OPENED;
  /** The number of accounts before it. */
  readonly account: AccountIndex;
  readonly type: AccountType;
  /** 0 for internal accounts. */
  readonly number: number;
  /** Empty for customers. */
  readonly name: string;
  readonly currency: CurrencyIndex;
  readonly homeBranch: BranchNumber;
  readonly owner: string;
  readonly displayName: string;
  readonly floor: bigint;
  /** At least 1; left out for none. */
  readonly ceiling?: bigint | undefined;
  /** Not empty; left out for none. */
  readonly alias?: string | undefined;
  /** Not empty; left out for none. */
  readonly metadata?: Metadata | undefined;
}

/** What can be changed of an account, as it is from here on. */
export interface AccountUpdatedRecord extends Acted {
  readonly kind: typeof RecordKind.ACCOUNT_UPDATED;
  readonly account: AccountIndex;
  readonly displayName: string;
  readonly floor: bigint;
  /** At least 1; undefined for none. */
  readonly ceiling: bigint | undefined;
  /** May be empty. */
  readonly metadata: Metadata;
}

export interface AccountStateChangedRecord extends Acted {
  readonly kind: typeof RecordKind.ACCOUNT_STATE_CHANGED;
  readonly account: AccountIndex;
  readonly state: AccountState;
}

/** The money of an earlier movement goes back. */
export interface ReversalRecord extends Acted {
  readonly kind: typeof RecordKind.REVERSAL;
  /** Position of the movement. */
  readonly original: Position;
  readonly debit: AccountIndex;
  readonly credit: AccountIndex;
  readonly amount: bigint;
}

export interface InterestAppliedRecord extends Acted {
  readonly kind: typeof RecordKind.INTEREST_APPLIED;
  readonly account: AccountIndex;
  /** Millionths of a percent. */
  readonly rate: number;
  /** The posted balance that it is a percentage of; not negative. */
  readonly balance: bigint;
  /** Where it is paid from; undefined when it rounds to zero: then nothing is posted. */
  readonly paidFrom: AccountIndex | undefined;
  /** Minor units; 0 exactly when nothing is posted. */
  readonly amount: bigint;
}

/** What every record of a single hold says about it: the hold as it stands behind the record. */
interface HoldChanged extends Acted {
  readonly account: AccountIndex;
  /** What it was placed for, in minor units; at least 1. */
  readonly held: bigint;
  /** What has been taken out so far, 0 to `held`. */
  readonly captured: bigint;
  /** Journal time at which it ends by itself, Unix milliseconds; 0 for never. */
  readonly expiresMs: number;
}

/** The hold's identity is the position of this record. */
export interface HoldPlacedRecord extends HoldChanged {
  readonly kind: typeof RecordKind.HOLD_PLACED;
}

/** `amount` leaves the hold and its account, and reaches `credit`. */
export interface HoldCapturedRecord extends HoldChanged {
  readonly kind: typeof RecordKind.HOLD_CAPTURED;
  readonly hold: Position;
  readonly credit: AccountIndex;
  readonly amount: bigint;
}

export interface HoldReleasedRecord extends HoldChanged {
  readonly kind: typeof RecordKind.HOLD_RELEASED;
  readonly hold: Position;
}

export interface HoldExtendedRecord extends HoldChanged {
  readonly kind: typeof RecordKind.HOLD_EXTENDED;
  readonly hold: Position;
}

/** The time of these holds has come. */
export interface HoldsExpiredRecord extends Acted {
  readonly kind: typeof RecordKind.HOLDS_EXPIRED;
  /** 1 to `EXPIRIES_PER_RECORD_MAX` positions, in the order of their expiry, then of their position. */
  readonly holds: readonly Position[];
}

/** A group was carried out: answers its request, and stands behind the records that carry it out. */
export interface GroupCommittedRecord extends Acted {
  readonly kind: typeof RecordKind.GROUP_COMMITTED;
  /** How many records directly before this one belong to the group; all of them in the same batch. */
  readonly records: number;
}

export interface FormatLevelRaisedRecord extends Acted {
  readonly kind: typeof RecordKind.FORMAT_LEVEL_RAISED;
  readonly level: number;
}

/** Nothing but the time of its batch, for those who wait for it to pass. */
export interface TimeTickedRecord extends Acted {
  readonly kind: typeof RecordKind.TIME_TICKED;
}

/** A command was decided against; nothing changes but the memory of its request. */
export interface RejectedRecord extends Acted {
  readonly kind: typeof RecordKind.REJECTED;
  readonly rejection: Rejection;
}

/** A reason with the variable parts of its message. */
export interface Rejection {
  readonly reason: RejectionReason;
  readonly metadata: Readonly<Record<string, string>>;
  /** Which item of a group was rejected, from 1; left out where the command is no group. */
  readonly item?: number | undefined;
}

export interface EpochBegunRecord extends Acted {
  readonly kind: typeof RecordKind.EPOCH_BEGUN;
  readonly number: number;
  /** 16 random bytes. */
  readonly id: Uint8Array;
  /** 16 bytes: the bank whose journal this is. */
  readonly bankId: Uint8Array;
  /** An operator gave up records that a witness had behind this position. */
  readonly lossAccepted: boolean;
  /** 16 bytes: the copy id of the branch whose journal became the bank's; left out for none. Needs level 3 before it. */
  readonly promotedFrom?: Uint8Array | undefined;
}

export interface CurrencyDefinedRecord extends Acted {
  readonly kind: typeof RecordKind.CURRENCY_DEFINED;
  readonly currency: CurrencyIndex;
  readonly code: string;
  readonly decimals: number;
}

export interface BranchRegisteredRecord extends Acted {
  readonly kind: typeof RecordKind.BRANCH_REGISTERED;
  readonly number: BranchNumber;
  readonly name: string;
  readonly address: string;
}

export interface BranchStateChangedRecord extends Acted {
  readonly kind: typeof RecordKind.BRANCH_STATE_CHANGED;
  readonly target: BranchNumber;
  readonly state: BranchState;
}

/** Which copies count from its own position on. */
export interface DurabilitySetRecord extends Acted {
  readonly kind: typeof RecordKind.DURABILITY_SET;
  /** How many members must have a write on disk: 1 to as many as there are, 0 when there are none. */
  readonly copies: number;
  /** Up to `DURABILITY_MEMBERS_MAX`, by ascending branch. */
  readonly members: readonly DurabilityMember[];
}

/** The SHA-256 root of the state at a batch end, as a snapshot found it. */
export interface StateRootRecord extends Acted {
  readonly kind: typeof RecordKind.STATE_ROOT;
  readonly position: Position;
  readonly root: Uint8Array;
}

export type LedgerRecord =
  | MovementRecord
  | AccountOpenedRecord
  | RejectedRecord
  | EpochBegunRecord
  | CurrencyDefinedRecord
  | BranchRegisteredRecord
  | StateRootRecord
  | FormatLevelRaisedRecord
  | AccountUpdatedRecord
  | AccountStateChangedRecord
  | ReversalRecord
  | InterestAppliedRecord
  | HoldPlacedRecord
  | HoldCapturedRecord
  | HoldReleasedRecord
  | HoldExtendedRecord
  | HoldsExpiredRecord
  | GroupCommittedRecord
  | TimeTickedRecord
  | BranchStateChangedRecord
  | DurabilitySetRecord;

/** Who the bank itself is in its own records. */
export const SYSTEM_PRINCIPAL = "bank";

export function isMovement(record: LedgerRecord): record is MovementRecord {
  return record.kind <= RecordKind.TRANSFER;
}

/** Money that a record moves. */
export interface Posting {
  readonly debit: AccountIndex;
  readonly credit: AccountIndex;
  /** Minor units, at least 1. */
  readonly amount: bigint;
}

/** The money that a record moves; undefined when it moves none. */
export function postingOf(record: LedgerRecord): Posting | undefined {
  switch (record.kind) {
    case RecordKind.DEPOSIT:
    case RecordKind.WITHDRAWAL:
    case RecordKind.TRANSFER:
    case RecordKind.REVERSAL:
      return record;
    case RecordKind.HOLD_CAPTURED:
      return { debit: record.account, credit: record.credit, amount: record.amount };
    case RecordKind.INTEREST_APPLIED: {
      const { account: credit, paidFrom: debit, amount } = record;
      return debit === undefined ? undefined : { debit, credit, amount };
    }
    default:
      return undefined;
  }
}

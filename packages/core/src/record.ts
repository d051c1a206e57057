import type { AccountType } from "./account.ts";
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
} as const;
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];

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
  | StateRootRecord;

/** Who the bank itself is in its own records. */
export const SYSTEM_PRINCIPAL = "bank";

export function isMovement(record: LedgerRecord): record is MovementRecord {
  return record.kind <= RecordKind.TRANSFER;
}

import type { CustomerAccountType, Metadata } from "./account.ts";
import type { BranchState, DurabilityMember } from "./branch.ts";
import type { BranchNumber, Position, RequestId } from "./identifiers.ts";
import type { Money } from "./money.ts";

/**
 * What can be asked of the ledger. Accounts are named as the caller named them: by number, alias, or internal name.
 */
export type Command = GroupItem | Group | CancelRequest | RegisterBranch | Administration;

/** What an atomic group can hold. */
export type GroupItem =
  | OpenAccount
  | UpdateAccount
  | ChangeState
  | Deposit
  | Withdraw
  | Transfer
  | Reverse
  | ApplyInterest
  | PlaceHold
  | CaptureHold
  | ReleaseHold
  | ExtendHold;

/** A condition of this very attempt, no part of what is asked: the hash of a command does not cover it. */
export interface Versioned {
  /**
   * The version that the account has in the caller's eyes; where it has another one, the command is refused as stale
   * and its request id is not used up. Of a transfer it is the account that pays, of a hold the account that it is on,
   * of a reversal the customer's account that the original is on, of a transfer's the one that paid.
   */
  readonly expectedVersion?: number | undefined;
}

export interface OpenAccount {
  readonly kind: "openAccount";
  readonly type: CustomerAccountType;
  readonly owner: string;
  readonly displayName: string;
  /** ISO 4217 code. */
  readonly currency: string;
  /**
   * A name of the caller's choice, unique among numbers and aliases; digits become the account's number. Empty or left
   * out for none.
   */
  readonly alias?: string | undefined;
  readonly metadata?: Metadata | undefined;
  /** Minor units, 0 or, for checking accounts, an overdraft as a negative number. Default: 0. */
  readonly floor?: bigint | undefined;
  /** Minor units, at least 1. Default: none. */
  readonly ceiling?: bigint | undefined;
}

/** Changes what is named and leaves the rest. */
export interface UpdateAccount extends Versioned {
  readonly kind: "updateAccount";
  readonly account: string;
  readonly displayName?: string | undefined;
  /** All of it: what is not in it is gone. */
  readonly metadata?: Metadata | undefined;
  readonly floor?: bigint | undefined;
  /** `null` takes the ceiling away. */
  readonly ceiling?: bigint | null | undefined;
}

export interface ChangeState extends Versioned {
  readonly kind: "freezeAccount" | "unfreezeAccount" | "closeAccount";
  readonly account: string;
}

/** Cash comes in at the branch of the request. */
export interface Deposit extends Versioned {
  readonly kind: "deposit";
  readonly account: string;
  readonly amount: Money;
}

/** Cash goes out at the branch of the request. */
export interface Withdraw extends Versioned {
  readonly kind: "withdraw";
  readonly account: string;
  readonly amount: Money;
}

/** From a customer's account to another, or to an account for fees, such as `fees/1/USD`. */
export interface Transfer extends Versioned {
  readonly kind: "transfer";
  readonly from: string;
  readonly to: string;
  readonly amount: Money;
}

/** Moves the money of an earlier movement back, once. */
export interface Reverse extends Versioned {
  readonly kind: "reverse";
  /** Position of the movement. */
  readonly transaction: Position;
}

/** Adds a percentage of the posted balance once, paid from the branch's interest account. */
export interface ApplyInterest extends Versioned {
  readonly kind: "applyInterest";
  readonly account: string;
  /** Millionths of a percent, 0 to `RATE_MAX`: 2.5 % is 2,500,000. */
  readonly rate: number;
}

/** Keeps money back for a later capture. */
export interface PlaceHold extends Versioned {
  readonly kind: "placeHold";
  readonly account: string;
  readonly amount: Money;
  /** Journal time at which it ends by itself, Unix milliseconds; 0 for never. */
  readonly expiresMs: number;
}

/** Takes held money out: to another account, or as cash at the branch of the request. */
export interface CaptureHold extends Versioned {
  readonly kind: "captureHold";
  /** The position at which the hold was placed. */
  readonly hold: Position;
  /** Left out: all that is left. */
  readonly amount?: Money | undefined;
  /** The account that receives, as of a transfer; empty for cash. */
  readonly to: string;
}

/** Gives back what is left of a hold. */
export interface ReleaseHold extends Versioned {
  readonly kind: "releaseHold";
  readonly hold: Position;
}

/** Lets a hold live longer. */
export interface ExtendHold extends Versioned {
  readonly kind: "extendHold";
  readonly hold: Position;
  /** Later than it ends now. */
  readonly expiresMs: number;
}

/** All of it happens, in order, or none. */
export interface Group {
  readonly kind: "group";
  /** 1 to `GROUP_ITEMS_MAX`. */
  readonly items: readonly GroupItem[];
}

/** Rules out that the request with this id is ever carried out, unless it was answered before. */
export interface CancelRequest {
  readonly kind: "cancelRequest";
}

/** A branch says who it is and where it can be reached. */
export interface RegisterBranch {
  readonly kind: "registerBranch";
  readonly branch: BranchNumber;
  /** Empty: the name that it has, or `branch N` for a new one. */
  readonly name: string;
  readonly address: string;
}

/** What an operator decides about the branches. No part of a group. */
export type Administration = RenameBranch | SetBranchState | SetDurability;

/** Gives a branch another name; where it can be reached stays. */
export interface RenameBranch {
  readonly kind: "renameBranch";
  /** From 1: the head office has no name. */
  readonly target: BranchNumber;
  /** Not empty. */
  readonly name: string;
}

/** Active ⇄ draining; either → retired, for ever. */
export interface SetBranchState {
  readonly kind: "setBranchState";
  readonly target: BranchNumber;
  readonly state: BranchState;
}

/**
 * From here on a write counts as committed once `copies` of the members have it on disk, besides the bank. Without copies and
 * members only the bank counts.
 */
export interface SetDurability {
  readonly kind: "setDurability";
  /** At least 1 where there are members, and no more than those. */
  readonly copies: number;
  /**
   * Up to `DURABILITY_MEMBERS_MAX`, each of another branch and another copy. Their order means nothing. The hash covers the
   * branches: which copy each of them has may differ from one try of a request to the next.
   */
  readonly members: readonly DurabilityMember[];
}

/** A command with everything that its outcome hangs on besides the state. */
export interface Request {
  /** Who asks, as authenticated. Together with `id` the key of the request. */
  readonly principal: string;
  /** Where it is booked. */
  readonly branch: BranchNumber;
  readonly id: RequestId;
  readonly command: Command;
}

/** The one principal until callers have identities. */
export const ANONYMOUS_PRINCIPAL = "dev";

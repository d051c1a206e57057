import type { FailureOutcome, Reason } from "@bank/core";
import type { ErrorCode } from "./status.ts";

/**
 * What the SDK says by itself, where no bank did.
 *
 * - `CONNECTION_FAILED`: no connection could be made, so nothing was sent.
 * - `CONNECTION_LOST`: the connection broke before the answer came.
 * - `UNEXPECTED_REPLY`: what answered is no bank, or one that speaks another version.
 * - `BRANCH_WITHOUT_ADDRESS`: the bank knows the branch, but not where it listens.
 * - `CANCELED`: the caller's signal ended the call.
 * - `CLIENT_CLOSED`: the client was closed.
 */
export type ClientReason =
  | "CONNECTION_FAILED"
  | "CONNECTION_LOST"
  | "UNEXPECTED_REPLY"
  | "BRANCH_WITHOUT_ADDRESS"
  | "CANCELED"
  | "CLIENT_CLOSED";

/** The reasons of this version's bank and of the SDK; a newer bank may say others. */
export type ErrorReason = Reason | ClientReason | (string & {});

/** What is wrong with a field of a malformed request. */
export interface FieldViolation {
  /** Path of the field in the request's message: `amount.currency_code`. */
  readonly field: string;
  /** What it should be. */
  readonly description: string;
}

/** Why one item of a group was not done. */
export interface GroupItemFailure {
  /** gRPC status. */
  readonly code: ErrorCode;
  /** GROUP_NOT_APPLIED of those that were not done because of another item; that one has a reason of its own. */
  readonly reason: ErrorReason;
  readonly message: string;
  /** Every variable part of the message. */
  readonly metadata: Readonly<Record<string, string>>;
}

export interface BankErrorParts {
  readonly code: ErrorCode;
  readonly reason: ErrorReason;
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly outcome: FailureOutcome;
  readonly requestId?: string | undefined;
  readonly attempts: number;
  readonly item?: number | undefined;
  readonly violations?: readonly FieldViolation[] | undefined;
  readonly failures?: readonly GroupItemFailure[] | undefined;
  readonly cause?: unknown;
}

/**
 * Everything that a call of the SDK rejects with, except `TypeError` and `RangeError` for arguments of a wrong kind.
 */
export class BankError extends Error {
  override readonly name = "BankError";
  /** gRPC status. */
  readonly code: ErrorCode;
  /** Stable UPPER_SNAKE reason; docs and programs go by it. */
  readonly reason: ErrorReason;
  /**
   * Every variable part of the message. `available` of INSUFFICIENT_FUNDS is not the account's available balance but
   * what could have been asked for: what of that balance is above the account's floor, an overdraft included (of a
   * hold: above the floor or zero, whichever is more).
   */
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * What is known about the effect of this call's tries:
   *
   * - `REJECTED`: the bank said no, and that is the answer to this request id for ever.
   * - `NOT_APPLIED`: no try of this call had or will have an effect. A read and a preview are always this.
   * - `OUTCOME_UNKNOWN`: it may have been done, or may still be. The same call with the same request id finds out, and
   *   is carried out once at the most; `cancelRequest` finds out too, and sees to it that it is never carried out
   *   later.
   */
  readonly outcome: FailureOutcome;
  /** Of a mutation or its preview; undefined for reads. */
  readonly requestId: string | undefined;
  /** How often this call sent the request, or tried to; 0 where it only tells what an earlier call was answered. */
  readonly attempts: number;
  /** Of a group: which item it is about, counted from 1; undefined where it is about no single item. */
  readonly item: number | undefined;
  /** Of a malformed request: what is wrong with which field. Else empty. */
  readonly violations: readonly FieldViolation[];
  /** Of `executeGroup`, where an item was decided against: one for each item, in their order. Else empty. */
  readonly failures: readonly GroupItemFailure[];

  constructor(parts: BankErrorParts) {
    super(parts.message, parts.cause === undefined ? undefined : { cause: parts.cause });
    this.code = parts.code;
    this.reason = parts.reason;
    this.metadata = parts.metadata;
    this.outcome = parts.outcome;
    this.requestId = parts.requestId;
    this.attempts = parts.attempts;
    this.item = parts.item;
    this.violations = parts.violations ?? [];
    this.failures = parts.failures ?? [];
  }
}

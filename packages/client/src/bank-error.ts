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

export interface BankErrorParts {
  readonly code: ErrorCode;
  readonly reason: ErrorReason;
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly outcome: FailureOutcome;
  readonly requestId?: string | undefined;
  readonly attempts: number;
  readonly cause?: unknown;
}

/** Everything that a call of the SDK rejects with, except `TypeError` and `RangeError` for arguments of a wrong kind. */
export class BankError extends Error {
  override readonly name = "BankError";
  /** gRPC status. */
  readonly code: ErrorCode;
  /** Stable UPPER_SNAKE reason; docs and programs go by it. */
  readonly reason: ErrorReason;
  /** Every variable part of the message. */
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * What is known about the effect of this call's tries:
   *
   * - `REJECTED`: the bank said no, and that is the answer to this request id for ever.
   * - `NOT_APPLIED`: no try of this call had or will have an effect. A read is always this.
   * - `OUTCOME_UNKNOWN`: it may have been done, or may still be. The same call with the same request id finds out, and
   *   is carried out once at the most.
   */
  readonly outcome: FailureOutcome;
  /** Of a mutation; undefined for reads. */
  readonly requestId: string | undefined;
  /** How often the request was sent, or tried to be. */
  readonly attempts: number;

  constructor(parts: BankErrorParts) {
    super(parts.message, parts.cause === undefined ? undefined : { cause: parts.cause });
    this.code = parts.code;
    this.reason = parts.reason;
    this.metadata = parts.metadata;
    this.outcome = parts.outcome;
    this.requestId = parts.requestId;
    this.attempts = parts.attempts;
  }
}

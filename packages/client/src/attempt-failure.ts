import { describe, type FailureOutcome, RefusalError, statusOf } from "@bank/core";
import type { Failure, GroupFailure } from "@bank/proto";
import {
  connectErrorFromFailure,
  failureFromConnectError,
  groupFailureFromConnectError,
  isSilence,
  outcomeOf,
} from "@bank/rpc";
import { Code, ConnectError } from "@connectrpc/connect";
import type { ErrorReason, FieldViolation, GroupItemFailure } from "./bank-error.ts";
import type { ServerFailure } from "./server-pool.ts";
import { type ErrorCode, errorCodeOf } from "./status.ts";

/** Why one try failed. */
export interface AttemptFailure {
  readonly code: ErrorCode;
  readonly reason: ErrorReason;
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** What is known about the effect of this one try. */
  readonly outcome: FailureOutcome;
  /** Whether the next try may end differently at the same server. */
  readonly retryable: boolean;
  /** Undefined where no other server would say anything else. */
  readonly elsewhere?: ServerFailure | undefined;
  /** Of a group: which item it is about, from 1. */
  readonly item?: number | undefined;
  readonly violations?: readonly FieldViolation[] | undefined;
  readonly failures?: readonly GroupItemFailure[] | undefined;
  readonly cause: unknown;
}

/** Whether that is the end, wherever and however often it is tried again. */
export function isFinal({ retryable, elsewhere }: AttemptFailure): boolean {
  return !retryable && elsewhere === undefined;
}

/**
 * Commands that went together in a call that was answered, and of which these are to be tried again: the failure that stands
 * for them. Undefined where there is none. One that may pass here keeps those that may not from ending it.
 */
export function toTryAgain(
  pending: readonly { readonly lastFailure: AttemptFailure | undefined }[],
): AttemptFailure | undefined {
  const passing = pending.find(({ lastFailure }) => lastFailure?.retryable);
  return (passing ?? pending[0])?.lastFailure;
}

/** What answered did not answer as a bank does. */
export class UnexpectedReplyError extends Error {
  override readonly name = "UnexpectedReplyError";
}

/** A try whose failure is known already. */
export class FailedAttempt extends Error {
  override readonly name = "FailedAttempt";
  readonly failure: AttemptFailure;

  constructor(failure: AttemptFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** What the bank itself says that may pass: it is down, full, or cut off for now. */
const PASSING_CODES: readonly ErrorCode[] = ["UNAVAILABLE", "DEADLINE_EXCEEDED"];
const PASSING_REASONS: readonly ErrorReason[] = ["OVERLOADED"];
const LASTING_REASONS: readonly ErrorReason[] = ["DRAINING"];

function mayPass({ code, reason }: { readonly code: ErrorCode; readonly reason: ErrorReason }): boolean {
  if (LASTING_REASONS.includes(reason)) return false;
  return PASSING_CODES.includes(code) || PASSING_REASONS.includes(reason);
}

/** The server is down, hangs or is cut off from the bank for now. */
const AWAY: ServerFailure = { rests: true, isLasting: false, isSilence: false };

/**
 * What a server says that is about itself, so that another may say something else. Not among them is what the bank says
 * through every server alike (STORE_REFUSED, STORE_FULL, TOO_FEW_BRANCHES, LOSS_DETECTED, SESSION_LOST and all rejections), nor
 * OVERLOADED: load that is sent on to the next server is how all of them go down.
 */
const ELSEWHERE: Readonly<Partial<Record<ErrorReason, ServerFailure>>> = {
  NOT_READY: AWAY,
  // Another bank server has the store, or will soon.
  NOT_LEADER: AWAY,
  // Another branch may have a link, and the bank needs none.
  BANK_UNREACHABLE: AWAY,
  // Whoever lost its call to the bank; under the same request id another finds out.
  OUTCOME_UNKNOWN: AWAY,
  DEADLINE_EXCEEDED: { ...AWAY, isSilence: true, isSilent: false },
  // Wider bounds can still be met there.
  STALENESS_BOUND_EXCEEDED: { ...AWAY, rests: false },
  DRAINING: { ...AWAY, isLasting: true },
  // A bank that was replaced. Its successor is another server.
  EPOCH_SUPERSEDED: { ...AWAY, isLasting: true },
  // A bank that was replaced, and has not heard of it, does not know the epochs that a token names either.
  SESSION_INVALID: { rests: false, isLasting: true, isSilence: false },
};

/** Puts whatever a try ended with into words. `server` is the URL that was called. */
export function attemptFailure(error: unknown, server: string): AttemptFailure {
  if (error instanceof FailedAttempt) return error.failure;
  if (error instanceof RefusalError) return refused(error);
  if (error instanceof UnexpectedReplyError) return unexpected(server, "INTERNAL", error.message, error);
  const connectError = ConnectError.from(error);
  const said = failureFromConnectError(connectError);
  if (said === undefined) return unsaid(connectError, server);
  const { reason, message, metadata } = said;
  const code = errorCodeOf(said.code);
  return {
    code,
    reason,
    message,
    metadata,
    outcome: outcomeOf(connectError),
    retryable: mayPass({ code, reason }),
    elsewhere: ELSEWHERE[reason],
    item: itemOf(said),
    violations: said.violations.map(({ field, description }) => ({ field, description })),
    failures: itemFailures(groupFailureFromConnectError(connectError)),
    cause: error,
  };
}

/**
 * Puts a failure that stands among results into the words of a call by itself.
 *
 * @param groupSize how many items the command has; 0 where it is no group, or nobody knows.
 */
export function resultFailure(failure: Failure, server: string, groupSize = 0): AttemptFailure {
  return { ...attemptFailure(connectErrorFromFailure(failure, groupSize), server), item: itemOf(failure) };
}

function itemOf({ item }: Failure): number | undefined {
  return item === 0 ? undefined : item;
}

function itemFailures(group: GroupFailure | undefined): GroupItemFailure[] | undefined {
  return group?.failures.map(({ code, reason, message, metadata }) => ({
    code: errorCodeOf(code),
    reason,
    // The bank leaves out what a hundred items would repeat.
    message: message === "" ? describe("GROUP_NOT_APPLIED", metadata) : message,
    metadata,
  }));
}

/** A token that cannot be used, or an argument that no bank would take. */
function refused(error: RefusalError): AttemptFailure {
  const { message } = error;
  return { ...error.refusal, code: statusOf(error.refusal.reason), message, retryable: false, cause: error };
}

/** Errors that no bank made: the network, Connect, or somebody who is no bank. */
function unsaid(error: ConnectError, server: string): AttemptFailure {
  const common = { metadata: { server }, cause: error } as const;
  switch (error.code) {
    case Code.DeadlineExceeded:
      return {
        ...common,
        code: "DEADLINE_EXCEEDED",
        reason: "DEADLINE_EXCEEDED",
        message: `${server} did not answer in time.`,
        outcome: "OUTCOME_UNKNOWN",
        retryable: false,
        elsewhere: { ...AWAY, isSilence: true },
      };
    case Code.Unavailable:
      if (neverConnected(error))
        return {
          ...common,
          code: "UNAVAILABLE",
          reason: "CONNECTION_FAILED",
          message: `No connection to ${server}: ${error.rawMessage}.`,
          outcome: "NOT_APPLIED",
          retryable: true,
          elsewhere: { ...AWAY, isSilent: isSilence(error) },
        };
      return lost(error, server);
    // A connection that breaks while a call is under way ends it with one of these, depending on how it broke.
    case Code.Canceled:
    case Code.Aborted:
      return lost(error, server);
    case Code.Internal:
      // Frames that are not HTTP/2 will not become so.
      if (nodeErrorCode(error) === "ERR_HTTP2_ERROR") return unexpected(server, "UNAVAILABLE", error.rawMessage, error);
      return lost(error, server);
    default:
      return {
        ...unexpected(server, errorCodeOf(error.code), error.rawMessage, error),
        outcome: outcomeOf(error),
      };
  }
}

function lost(error: ConnectError, server: string): AttemptFailure {
  return {
    code: "UNAVAILABLE",
    reason: "CONNECTION_LOST",
    message: `The connection to ${server} was lost before the answer came: ${error.rawMessage}.`,
    metadata: { server },
    outcome: "OUTCOME_UNKNOWN",
    retryable: true,
    elsewhere: { ...AWAY, isSilent: isSilence(error) },
    cause: error,
  };
}

function unexpected(server: string, code: ErrorCode, problem: string, cause: unknown): AttemptFailure {
  return {
    code,
    reason: "UNEXPECTED_REPLY",
    message: `${server} does not answer as a bank of this version: ${problem}.`,
    metadata: { server },
    outcome: "OUTCOME_UNKNOWN",
    retryable: false,
    elsewhere: { ...AWAY, isLasting: true },
    cause,
  };
}

/** System calls that come before the first byte is sent. */
const CONNECTING: readonly unknown[] = ["connect", "getaddrinfo"];

/** True only if the request cannot have left this machine. */
function neverConnected({ cause }: ConnectError): boolean {
  return cause instanceof Error && "syscall" in cause && CONNECTING.includes(cause.syscall);
}

function nodeErrorCode({ cause }: ConnectError): unknown {
  return cause instanceof Error && "code" in cause ? cause.code : undefined;
}

import {
  describe,
  type FailureOutcome,
  type Reason,
  type RefusalError,
  type Rejection,
  STATUS_NUMBERS,
  statusOf,
} from "@bank/core";
import { ErrorInfoSchema, type Failure, FailureSchema } from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";

/** `ErrorInfo.domain` of everything that the bank says. */
export const ERROR_DOMAIN = "bank.v1";
/** Key of the metadata that says what is known about the effect of a failed request. */
export const OUTCOME_KEY = "outcome";

/** A rejection as it stands in a batch's results and in a forwarded outcome. */
export function failureFromRejection({ reason, metadata }: Rejection, position: number): Failure {
  return failure(reason, metadata, "REJECTED", position);
}

/** A refusal likewise. */
export function failureFromRefusal({ refusal }: RefusalError): Failure {
  return failure(refusal.reason, refusal.metadata, refusal.outcome, 0);
}

/** The error of a call that did only this. */
export function connectErrorFromFailure({ code, message, reason, metadata }: Failure): ConnectError {
  // The numbers of the statuses are gRPC's, which Connect's codes are too.
  return new ConnectError(message, code as Code, undefined, [
    { desc: ErrorInfoSchema, value: { reason, domain: ERROR_DOMAIN, metadata } },
  ]);
}

/** The error of a call that was refused as a whole. */
export function connectErrorFromRefusal(error: RefusalError): ConnectError {
  return connectErrorFromFailure(failureFromRefusal(error));
}

/** What a `ConnectError` of the bank says, or undefined for an error that the bank did not make. */
export function failureFromConnectError(error: ConnectError): Failure | undefined {
  const info = error.findDetails(ErrorInfoSchema).find(({ domain }) => domain === ERROR_DOMAIN);
  if (info === undefined) return undefined;
  const { reason, metadata } = info;
  return create(FailureSchema, { code: error.code, reason, message: error.rawMessage, metadata });
}

/** What is known about the effect of a request that ended with this error. */
export function outcomeOf(error: ConnectError): FailureOutcome {
  const said = failureFromConnectError(error)?.metadata[OUTCOME_KEY];
  if (said === "REJECTED" || said === "NOT_APPLIED") return said;
  // Connect itself refuses what cannot be decoded, before any handler sees it.
  return said === undefined && error.code === Code.InvalidArgument ? "NOT_APPLIED" : "OUTCOME_UNKNOWN";
}

function failure(
  reason: Reason,
  metadata: Readonly<Record<string, string>>,
  outcome: FailureOutcome,
  position: number,
): Failure {
  return create(FailureSchema, {
    code: STATUS_NUMBERS[statusOf(reason)],
    reason,
    message: describe(reason, metadata),
    metadata: { ...metadata, [OUTCOME_KEY]: outcome },
    position: BigInt(position),
  });
}

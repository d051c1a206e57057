import {
  describe,
  type FailureOutcome,
  type Reason,
  type RefusalError,
  type Rejection,
  STATUS_NUMBERS,
  statusOf,
} from "@bank/core";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  type Failure,
  FailureSchema,
  type GroupFailure,
  GroupFailureSchema,
} from "@bank/proto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { metadataMessage } from "./messages.ts";

/** `ErrorInfo.domain` of everything that the bank says. */
export const ERROR_DOMAIN = "bank.v1";
/** Key of the metadata that says what is known about the effect of a failed request. */
export const OUTCOME_KEY = "outcome";

/** A rejection as it stands in a batch's results and in a forwarded outcome. */
export function failureFromRejection(rejection: Rejection, position: number): Failure {
  return failure({ ...rejection, outcome: "REJECTED", position });
}

/** A rejection that would be: nothing remembers it. */
export function failureFromPreview(rejection: Rejection): Failure {
  return failure({ ...rejection, outcome: "NOT_APPLIED", position: 0 });
}

/** A refusal likewise. */
export function failureFromRefusal({ refusal }: RefusalError): Failure {
  return failure({ ...refusal, position: 0 });
}

/**
 * The error of a call that did only this: with `ErrorInfo` always, `BadRequest` where fields are wrong, and
 * `GroupFailure` where it is about an item of a group.
 *
 * @param groupSize how many items the command has; 0 where it is no group.
 */
export function connectErrorFromFailure(failed: Failure, groupSize = 0): ConnectError {
  const { code, message, reason, metadata, violations, item } = failed;
  const error = new ConnectError(message, code as Code);
  // The numbers of the statuses are gRPC's, which Connect's codes are too.
  error.details.push({ desc: ErrorInfoSchema, value: { reason, domain: ERROR_DOMAIN, metadata } });
  if (violations.length > 0) {
    const fieldViolations = violations.map(({ field, description }) => ({ field, description }));
    error.details.push({ desc: BadRequestSchema, value: { fieldViolations } });
  }
  if (item > 0 && groupSize > 0) {
    error.details.push({ desc: GroupFailureSchema, value: groupFailure(failed, groupSize) });
  }
  return error;
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
  const violations = error
    .findDetails(BadRequestSchema)
    .flatMap(({ fieldViolations }) => fieldViolations.map(({ field, description }) => ({ field, description })));
  const item = groupFailureFromConnectError(error)?.failures.find(isOfItsOwn)?.item ?? 0;
  return create(FailureSchema, { code: error.code, reason, message: error.rawMessage, metadata, violations, item });
}

/** What became of each item of a group that was not carried out; undefined where the error is about no item. */
export function groupFailureFromConnectError(error: ConnectError): GroupFailure | undefined {
  return error.findDetails(GroupFailureSchema)[0];
}

/** What is known about the effect of a request that ended with this error. */
export function outcomeOf(error: ConnectError): FailureOutcome {
  const said = failureFromConnectError(error)?.metadata[OUTCOME_KEY];
  if (said === "REJECTED" || said === "NOT_APPLIED") return said;
  // Connect itself refuses what cannot be decoded, before any handler sees it.
  return said === undefined && error.code === Code.InvalidArgument ? "NOT_APPLIED" : "OUTCOME_UNKNOWN";
}

const GROUP_NOT_APPLIED = "GROUP_NOT_APPLIED" satisfies Reason;

/**
 * One failure for each item. Those of the items that were not done because of another have no message: a hundred of them
 * would not fit into the 8 KiB of trailers that some gRPC clients take.
 */
function groupFailure(failed: Failure, groupSize: number): MessageInitShape<typeof GroupFailureSchema> {
  const code = STATUS_NUMBERS[statusOf(GROUP_NOT_APPLIED)];
  const metadata = { item: String(failed.item) };
  const failures = Array.from({ length: groupSize }, (_, i) => {
    const item = i + 1;
    return item === failed.item ? failed : { code, reason: GROUP_NOT_APPLIED, metadata, item };
  });
  return { failures };
}

function isOfItsOwn({ reason }: Failure): boolean {
  return reason !== GROUP_NOT_APPLIED;
}

/** What a refusal and a rejection have in common. */
interface Said extends Omit<Rejection, "reason"> {
  readonly reason: Reason;
  readonly outcome: FailureOutcome;
  readonly position: number;
  readonly violations?: RefusalError["refusal"]["violations"];
}

function failure({ reason, metadata, outcome, position, item = 0, violations = [] }: Said): Failure {
  return create(FailureSchema, {
    code: STATUS_NUMBERS[statusOf(reason)],
    reason,
    message: describe(reason, metadata),
    metadata: metadataMessage({ ...metadata, [OUTCOME_KEY]: outcome }),
    position: BigInt(position),
    item,
    violations: violations.map(({ field, description }) => ({ field, description })),
  });
}

/**
 * `@bank/client`: the SDK. `connectBank` gives a client of a bank or a branch. Everything exported here is public; other
 * files are internal.
 */
export type { FailureOutcome, Money } from "@bank/core";
export type { BankClient } from "./bank-client.ts";
export {
  BankError,
  type ClientReason,
  type ErrorReason,
  type FieldViolation,
  type GroupItemFailure,
} from "./bank-error.ts";
export { TIMEOUT_MAX_MS } from "./caller.ts";
export { type ClientOptions, type ConnectOptions, connectBank } from "./connect-bank.ts";
export { joinSessions } from "./new-session.ts";
export { connectPipeline, type Pipeline, type PipelineOptions } from "./pipeline.ts";
export type { PipelinedAnswer, PipelinedOperation } from "./pipeline-entry.ts";
export type { RetryNotice } from "./retry.ts";
export type { ErrorCode } from "./status.ts";
export type * from "./types/index.ts";

import type { FailureOutcome } from "@bank/core";
import type { BatchResult, Failure, PipelinedCall, PipelinedReply, ReadInfo } from "@bank/proto";
import {
  CONSISTENCY_HEADER,
  commandCount,
  connectErrorFromFailure,
  EPOCH_HEADER,
  OUTCOME_KEY,
  PROPAGATION_HEADER,
  SESSION_HEADER,
} from "@bank/rpc";
import { Code, ConnectError } from "@connectrpc/connect";
import { UnexpectedReplyError } from "./attempt-failure.ts";

/** A single operation, as the stream carries it. */
export type PipelinedOperation = Exclude<PipelinedCall["call"], { case: undefined }>;

type AnyReply = Exclude<PipelinedReply["reply"], { case: undefined | "failure" }>;
/** What an operation is answered with. */
type ReplyCase<Case extends PipelinedOperation["case"]> = Case extends "item" ? "result" : Case;

/** The answer to an operation that was done: what the call by itself would have resolved with. */
export interface PipelinedAnswer<Case extends PipelinedOperation["case"] = PipelinedOperation["case"]> {
  readonly reply: Extract<AnyReply, { case: ReplyCase<Case> }>;
  /** Of the state that contains it, or that it was read from. */
  readonly readInfo: ReadInfo | undefined;
  /** A try or a stream before this one may have done what is said here not to be applied: of rows of movements, which say so inside. */
  readonly mayHaveRun: boolean;
}

/** How a call is sent: as Connect's call options, of which it knows the headers of consistency, session, propagation and epoch. */
export interface PipelinedSending {
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** A call from when it is made until it is settled, over as many streams as that takes. */
export class PipelineEntry {
  readonly operation: PipelinedOperation;
  /** How many commands it is, those inside a group counted. */
  readonly weight: number;
  readonly signal: AbortSignal | undefined;
  /** The number of the highest epoch that the caller knows; 0 for none. */
  readonly epoch: number;
  /** The header that says so. */
  readonly epochText: string | undefined;
  /** A stream on which it was sent has broken: it may have been carried out. */
  mayHaveRun = false;
  isSettled = false;
  /** It has a place among those that wait to be sent. */
  isWaiting = false;
  private readonly headers: Readonly<Record<string, string>>;
  private readonly deadlineMs: number;
  private readonly resolve: (answer: PipelinedAnswer) => void;
  private readonly refuse: (error: unknown) => void;
  private readonly onSettled: (entry: PipelineEntry) => void;
  private readonly timer: NodeJS.Timeout;

  constructor(
    operation: PipelinedOperation,
    { headers, timeoutMs, signal }: PipelinedSending,
    settle: {
      readonly resolve: (answer: PipelinedAnswer) => void;
      readonly reject: (error: unknown) => void;
      /** Called when its time is up before it is settled. */
      readonly onTimeUp: (entry: PipelineEntry) => void;
      /** Called once, before it resolves or rejects. */
      readonly onSettled: (entry: PipelineEntry) => void;
    },
  ) {
    this.operation = operation;
    this.weight = weightOf(operation);
    this.headers = headers;
    this.signal = signal;
    this.epochText = headers[EPOCH_HEADER];
    this.epoch = this.epochText === undefined ? 0 : Number.parseInt(this.epochText, 10);
    this.deadlineMs = performance.now() + timeoutMs;
    this.resolve = settle.resolve;
    this.refuse = settle.reject;
    this.onSettled = settle.onSettled;
    this.timer = setTimeout(settle.onTimeUp, timeoutMs, this);
  }

  /** As it goes over a stream now. */
  message(id: bigint): PipelinedCall {
    const { headers } = this;
    return {
      $typeName: "bank.v1.PipelinedCall",
      id,
      timeoutMs: this.remainingMs(),
      consistency: headers[CONSISTENCY_HEADER] ?? "",
      session: headers[SESSION_HEADER] ?? "",
      propagation: headers[PROPAGATION_HEADER] ?? "",
      call: this.operation,
    };
  }

  answer(told: PipelinedReply): void {
    if (this.isSettled) return;
    const problem = this.problemOf(told);
    if (problem !== undefined) {
      this.reject(problem);
      return;
    }
    this.settled();
    const { reply, readInfo } = told;
    const { mayHaveRun } = this;
    this.resolve({ reply, readInfo, mayHaveRun } as PipelinedAnswer);
  }

  reject(error: unknown): void {
    if (this.isSettled) return;
    this.settled();
    this.refuse(error);
  }

  /** The error that an answer is; undefined for what was done. */
  private problemOf({ reply, readInfo }: PipelinedReply): Error | undefined {
    if (reply.case === "failure") {
      // Another way of asking must not begin as if nothing had been asked yet.
      if (this.mayHaveRun && (reply.value.code as Code) === Code.Unimplemented) return replaced(reply.value);
      return failed(this.sinceItWasSent(reply.value), 0, readInfo);
    }
    const expected = this.operation.case === "item" ? "result" : this.operation.case;
    if (reply.case !== expected)
      return new UnexpectedReplyError(`it answered ${this.operation.case} with ${reply.case ?? "nothing"}`);
    const failure = reply.case === "result" ? failureIn(reply.value) : undefined;
    return failure === undefined ? undefined : failed(this.sinceItWasSent(failure), this.groupSize(), readInfo);
  }

  /** Who says that nothing was applied speaks of what came over this stream; what an earlier one did, another server may have done. */
  private sinceItWasSent(failure: Failure): Failure {
    return this.mayHaveRun ? inDoubt(failure) : failure;
  }

  /** Those that can be carried out together say it roughly; of movements each call is done by itself. */
  private remainingMs(): number {
    const ms = Math.max(1, Math.floor(this.deadlineMs - performance.now()));
    return this.operation.case === "movements" ? ms : roundedMs(ms);
  }

  private settled(): void {
    this.isSettled = true;
    clearTimeout(this.timer);
    this.onSettled(this);
  }

  private groupSize(): number {
    return this.operation.case === "item" && this.operation.value.command.case === "group" ? this.weight : 0;
  }
}

/** The failure of what an earlier try, of which nobody knows, may have done all the same. */
export function inDoubt(failure: Failure): Failure {
  if (failure.metadata[OUTCOME_KEY] !== ("NOT_APPLIED" satisfies FailureOutcome)) return failure;
  return { ...failure, metadata: { ...failure.metadata, [OUTCOME_KEY]: "OUTCOME_UNKNOWN" satisfies FailureOutcome } };
}

/** The stream that a call was sent on is lost, and who serves the next one, an older server as a rule, does not know such calls. */
function replaced({ message }: Failure): ConnectError {
  return new ConnectError(`the stream was lost, and on the next: ${message}`, Code.Unavailable);
}

/** So many bytes of columns count as a command: messages stay far below what a server takes. */
const MOVEMENT_BYTES_PER_COMMAND = 256;

function weightOf(operation: PipelinedOperation): number {
  if (operation.case === "movements") return 1 + Math.floor(operation.value.length / MOVEMENT_BYTES_PER_COMMAND);
  if (operation.case !== "item" || operation.value.command.case === undefined) return 1;
  return Math.max(1, commandCount(operation.value.command));
}

/** Rounded down to five binary digits: calls that are sent together ask alike, and the server can do them together. */
function roundedMs(whole: number): number {
  const digits = 32 - Math.clz32(whole);
  const dropped = Math.max(0, digits - 5);
  return (whole >>> dropped) << dropped;
}

function failureIn({ result }: BatchResult): Failure | undefined {
  return result.case === "failure" ? result.value : undefined;
}

/** As the call by itself would have ended. A rejection is an outcome that was seen. */
function failed(failure: Failure, groupSize: number, readInfo: ReadInfo | undefined): ConnectError {
  // An error that no bank made.
  if (failure.reason === "") return new ConnectError(failure.message, failure.code as Code);
  const error = connectErrorFromFailure(failure, groupSize);
  if (readInfo !== undefined && readInfo.session !== "") error.metadata.set(SESSION_HEADER, readInfo.session);
  return error;
}

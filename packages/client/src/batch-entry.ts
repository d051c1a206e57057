import { randomUUID } from "node:crypto";
import { type FailureOutcome, RefusalError } from "@bank/core";
import { type BatchItem, BatchItemSchema, type BatchResult as WireBatchResult } from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import { type AttemptFailure, attemptFailure, resultFailure, UnexpectedReplyError } from "./attempt-failure.ts";
import { BankError } from "./bank-error.ts";
import { checkRequestId } from "./caller.ts";
import { commandMessage, resultOfCommand } from "./messages/index.ts";
import type { BatchCommand, BatchResult, Propagation } from "./types/index.ts";

/** One command on its way to its result. */
export class BatchEntry {
  readonly item: BatchItem;
  /** Why the last try of this command failed; undefined before the first. */
  lastFailure: AttemptFailure | undefined;
  private readonly command: BatchCommand;
  private readonly requestId: string;
  private readonly preview: boolean;
  private attempts = 0;
  /** Once a try may have had an effect, only an answer to the same id can say what became of it. */
  private unknown = false;
  private final: BatchResult | undefined;

  constructor(command: BatchCommand, server: string) {
    this.command = command;
    this.requestId = command.requestId ?? randomUUID();
    this.preview = command.validateOnly ?? false;
    this.item = create(BatchItemSchema);
    try {
      checkRequestId(this.requestId);
      const { requestId, preview: validateOnly } = this;
      this.item = create(BatchItemSchema, { command: commandMessage(command, { requestId, validateOnly }) });
    } catch (error) {
      if (!(error instanceof RefusalError)) throw error;
      this.failed(attemptFailure(error, server));
    }
  }

  get settled(): boolean {
    return this.final !== undefined;
  }

  /** A result that no such command has says nothing: then it is not known what became of this one. */
  answered(
    { result, replayed }: WireBatchResult,
    { server, propagation }: { readonly server: string; readonly propagation: Propagation | undefined },
  ): void {
    const { command, requestId, preview } = this;
    if (result.case === "failure") {
      this.failed(resultFailure(result.value, server, command.kind === "group" ? command.items.length : 0));
      return;
    }
    try {
      const done = { requestId, replayed, preview, propagation };
      this.final = { ok: true, ...done, ...resultOfCommand(command, result) };
    } catch (error) {
      if (!(error instanceof UnexpectedReplyError)) throw error;
      this.failed(attemptFailure(error, server));
    }
  }

  /** The call was refused for other commands, before anything of it was done. */
  refusedForOthers(): void {
    this.attempts++;
  }

  /** A try of this command failed. Unless another may help, that is the end of it. */
  failed(failure: AttemptFailure): void {
    this.attempts++;
    this.lastFailure = failure;
    if (failure.outcome === "OUTCOME_UNKNOWN") this.unknown = true;
    if (!failure.retryable) this.end(failure);
  }

  /** The call has ended with this error, and nothing is tried any more. */
  giveUp(error: BankError): void {
    this.end(error.code === "CANCELED" ? error : (this.lastFailure ?? error));
  }

  result(): BatchResult {
    if (this.final === undefined) throw new Error("a batch ended before all of its commands had");
    return this.final;
  }

  private end(failure: BankError | AttemptFailure): void {
    const { requestId, attempts } = this;
    const { code, reason, message, item, violations, failures, cause } = failure;
    const outcome = this.outcome();
    const metadata = { ...failure.metadata, outcome, request_id: requestId };
    const parts = { code, reason, message, metadata, outcome, requestId, attempts, item, violations, failures, cause };
    this.final = { ok: false, requestId, error: new BankError(parts) };
  }

  private outcome(): FailureOutcome {
    if (this.preview) return "NOT_APPLIED";
    if (this.lastFailure?.outcome === "REJECTED") return "REJECTED";
    return this.unknown ? "OUTCOME_UNKNOWN" : "NOT_APPLIED";
  }
}

import { randomUUID } from "node:crypto";
import { RefusalError } from "@bank/core";
import { type BatchItem, BatchItemSchema, type BatchResult as WireBatchResult } from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import {
  type AttemptFailure,
  attemptFailure,
  isFinal,
  resultFailure,
  UnexpectedReplyError,
} from "./attempt-failure.ts";
import type { BankError } from "./bank-error.ts";
import { checkRequestId } from "./caller.ts";
import { CommandTries } from "./command-tries.ts";
import { commandMessage, resultOfCommand } from "./messages/index.ts";
import type { BatchCommand, BatchResult, Propagation } from "./types/index.ts";

/** One command on its way to its result. */
export class BatchEntry {
  readonly item: BatchItem;
  private readonly command: BatchCommand;
  readonly requestId: string;
  readonly preview: boolean;
  private readonly tries = new CommandTries();
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

  /** Why the last try of this command failed; undefined before the first. */
  get lastFailure(): AttemptFailure | undefined {
    return this.tries.lastFailure;
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
      this.tryFailed(attemptFailure(error, server));
      // It is about this command alone, and says nothing about the server.
      this.endAsLast();
    }
  }

  /** The call was refused for other commands, before anything of it was done. */
  refusedForOthers(): void {
    this.tries.attempts++;
  }

  /** A try of this command failed. Unless another may help, here or elsewhere, that is the end of it. */
  failed(failure: AttemptFailure): void {
    this.tryFailed(failure);
    if (isFinal(failure)) this.endAsLast();
  }

  /** A try of the whole call failed; whoever retries it has the word on whether another follows. */
  tryFailed(failure: AttemptFailure): void {
    this.tries.failed(failure);
  }

  /** The call has ended with this error, and nothing is tried any more. */
  giveUp(error: BankError): void {
    this.end(this.tries.givenUp(error, this));
  }

  result(): BatchResult {
    if (this.final === undefined) throw new Error("a batch ended before all of its commands had");
    return this.final;
  }

  private endAsLast(): void {
    const { lastFailure } = this.tries;
    if (lastFailure !== undefined) this.end(this.tries.error(lastFailure, this));
  }

  private end(error: BankError): void {
    this.final = { ok: false, requestId: this.requestId, error };
  }
}

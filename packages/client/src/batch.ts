import { randomUUID } from "node:crypto";
import { COMMANDS_PER_CALL_MAX, type FailureOutcome, RefusalError } from "@bank/core";
import {
  type BatchItem,
  BatchItemSchema,
  type ExecuteBatchResponse,
  type BatchResult as WireBatchResult,
} from "@bank/proto";
import { create } from "@bufbuild/protobuf";
import {
  type AttemptFailure,
  attemptFailure,
  FailedAttempt,
  resultFailure,
  UnexpectedReplyError,
} from "./attempt-failure.ts";
import { BankError } from "./bank-error.ts";
import { type Caller, checkRequestId } from "./caller.ts";
import { commandMessage, resultOfCommand } from "./messages/index.ts";
import type { BatchCommand, BatchResult, CallOptions } from "./types/index.ts";

/**
 * Sends many commands in one call, and again those that were not answered, each with its own request id.
 * Gives one result for each command, in their order; what the network or the bank did is in the results.
 */
export async function executeBatch(
  caller: Caller,
  commands: readonly BatchCommand[],
  options: CallOptions,
): Promise<BatchResult[]> {
  const count = commands.reduce(
    (sum, command) => sum + (command.kind === "group" ? Math.max(command.items.length, 1) : 1),
    0,
  );
  if (count > COMMANDS_PER_CALL_MAX)
    throw new RangeError(
      `a batch has at most ${COMMANDS_PER_CALL_MAX} commands, those in groups counted, not ${count}`,
    );
  const { url } = caller.server;
  const entries = commands.map((command) => new BatchEntry(command, url));
  const pending = () => entries.filter((entry) => !entry.settled);
  if (pending().length > 0) {
    try {
      await caller.retried({ ...options, mutates: true }, async (call) => {
        const sent = pending();
        try {
          await caller.once(
            { ...call, isBeyondSession: hasNewRecord },
            (sending) => caller.server.transactions.executeBatch({ items: sent.map(({ item }) => item) }, sending),
            (reply) => settle(sent, reply),
          );
        } catch (error) {
          for (const entry of sent) entry.failed(attemptFailure(error, url));
          throw error;
        }
        const again = pending()[0]?.lastFailure;
        if (again !== undefined) throw new FailedAttempt(again);
      });
    } catch (error) {
      if (!(error instanceof BankError)) throw error;
      for (const entry of pending()) entry.giveUp(error);
    }
  }
  return entries.map((entry) => entry.result());
}

/** What is done now comes after all that the session saw; repeated answers may be older. */
function hasNewRecord({ results }: ExecuteBatchResponse): boolean {
  return results.some(({ result, replayed }) => result.case !== "failure" && !replayed);
}

function settle(entries: readonly BatchEntry[], { results }: ExecuteBatchResponse): void {
  if (results.length !== entries.length)
    throw new UnexpectedReplyError(`it gave ${results.length} results for ${entries.length} commands`);
  entries.forEach((entry, i) => {
    entry.answered(results[i] as WireBatchResult);
  });
}

/** One command on its way to its result. */
class BatchEntry {
  readonly item: BatchItem;
  /** Why the last try of this command failed; undefined before the first. */
  lastFailure: AttemptFailure | undefined;
  private readonly command: BatchCommand;
  private readonly requestId: string;
  private readonly preview: boolean;
  private readonly server: string;
  private attempts = 0;
  /** Once a try may have had an effect, only an answer to the same id can say what became of it. */
  private unknown = false;
  private final: BatchResult | undefined;

  constructor(command: BatchCommand, server: string) {
    this.command = command;
    this.requestId = command.requestId ?? randomUUID();
    this.preview = command.validateOnly ?? false;
    this.server = server;
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

  /** Throws: `UnexpectedReplyError`. */
  answered({ result, replayed }: WireBatchResult): void {
    const { command, requestId, preview, server } = this;
    if (result.case === "failure") {
      this.failed(resultFailure(result.value, server, command.kind === "group" ? command.items.length : 0));
    } else {
      this.final = { ok: true, requestId, replayed, preview, ...resultOfCommand(command, result) };
    }
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

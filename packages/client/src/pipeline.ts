import type { ReadInfo } from "@bank/proto";
import { attemptFailure } from "./attempt-failure.ts";
import { Caller, type CallerOptions } from "./caller.ts";
import { type ConnectOptions, callerOptions, connectionsOf } from "./connect-bank.ts";
import { newSession } from "./new-session.ts";
import type { PipelinedAnswer, PipelinedOperation } from "./pipeline-entry.ts";
import { EndedCall } from "./retry.ts";
import type { ReadOptions, WriteOptions } from "./types/index.ts";

/** Options of a pipelined call: `consistency` is of reads, `propagation` of writes. */
export interface PipelineOptions extends ReadOptions, WriteOptions {
  /** The token of a session that this call belongs to. Default: the session of all calls of this pipeline. */
  readonly session?: string | undefined;
}

/**
 * A pipeline to a bank or its branches. It connects with its first call, and again whenever a connection is lost. It must be
 * closed. Throws as `connectBank`.
 */
export function connectPipeline(options: ConnectOptions): Pipeline {
  const connections = connectionsOf(options);
  return new Pipeline(callerOptions(options, connections), () => connections.close());
}

/**
 * Single operations as messages, over one stream to the server of the moment: with the retries, the failover, the deadlines
 * and the session of a client.
 *
 * Calls that are under way together are concurrent, after a reconnect too; only what is called after another's answer is
 * ordered after it.
 */
export class Pipeline {
  private readonly caller: Caller;
  private readonly ending = new AbortController();
  private readonly onClose: () => void;

  constructor(options: Omit<CallerOptions, "lifetime">, onClose: () => void) {
    this.caller = new Caller({ ...options, lifetime: this.ending.signal });
    this.onClose = onClose;
  }

  /**
   * Gives the answer. A mutation keeps its request id over all tries, so that it is carried out once at the most.
   * Rejects with: `BankError`; `TypeError` and `RangeError` for options that are none.
   */
  async call<Operation extends PipelinedOperation>(
    operation: Operation,
    options: PipelineOptions = {},
  ): Promise<PipelinedAnswer<Operation["case"]>> {
    const caller = this.callerOf(options.session);
    const asked: PipelinedOperation = operation;
    if (!isMutation(asked))
      return caller.read(
        options,
        async (sending, server) => withInfo(await server.pipeline.call(operation, sending)),
        ({ answer }) => answer,
      );
    const { requestId, isPreview } = headOf(asked);
    const propagation = caller.propagationOf(options);
    let mayHaveRun = false;
    return caller.retried({ ...options, mutates: !isPreview, requestId }, async (attempt) => {
      try {
        return await caller.once(
          { ...attempt, propagation, isBeyondSession: isDoneNow },
          async (sending, server) => withInfo(await server.pipeline.call(operation, sending)),
          ({ answer }) => (mayHaveRun ? { ...answer, mayHaveRun } : answer),
        );
      } catch (error) {
        mayHaveRun ||= attemptFailure(error, attempt.server.url).outcome === "OUTCOME_UNKNOWN";
        throw error;
      }
    });
  }

  /** Resolves once not too many calls wait to be sent: for those who make calls faster than they are answered. */
  whenRoom(): Promise<void> {
    return this.caller.server.pipeline.whenRoom();
  }

  /** Ends every call with CLIENT_CLOSED. Idempotent. */
  close(): void {
    this.ending.abort(new EndedCall("CLIENT_CLOSED"));
    this.onClose();
  }

  private callerOf(session: string | undefined): Caller {
    if (session === undefined) return this.caller;
    return new Caller({ ...this.caller.options, session: newSession(session, this.caller.server.url) });
  }
}

interface WithInfo<Answer> {
  readonly answer: Answer;
  readonly readInfo: ReadInfo | undefined;
}

/** Reads carry what they say about their state themselves. */
function withInfo<Answer extends PipelinedAnswer>(answer: Answer): WithInfo<Answer> {
  const { value } = answer.reply;
  return { answer, readInfo: answer.readInfo ?? ("readInfo" in value ? value.readInfo : undefined) };
}

/** What is done now comes after all that the session saw; a repeated answer may be older. */
function isDoneNow({ answer: { reply } }: WithInfo<PipelinedAnswer>): boolean {
  return reply.case === "result" && !reply.value.replayed;
}

type Mutation = Extract<PipelinedOperation, { case: "item" | "cancelRequest" | "movements" }>;

function isMutation(operation: PipelinedOperation): operation is Mutation {
  return operation.case === "item" || operation.case === "cancelRequest" || operation.case === "movements";
}

function headOf(operation: Mutation): { readonly requestId: string | undefined; readonly isPreview: boolean } {
  // Each row has an id of its own.
  if (operation.case === "movements") return { requestId: undefined, isPreview: false };
  if (operation.case === "cancelRequest") return { requestId: operation.value.requestId, isPreview: false };
  const { value: command } = operation.value.command;
  return { requestId: command?.requestId, isPreview: command?.validateOnly ?? false };
}

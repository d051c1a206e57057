import {
  type BatchItem,
  type PipelinedCall,
  PipelinedCallSchema,
  type PipelinedReply,
  type PipelineRequest,
  PipelineRequestSchema,
  SessionService,
} from "@bank/proto";
import { connectToServer } from "@bank/rpc";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { onTestFinished } from "vitest";

export type CallInit = MessageInitShape<typeof PipelinedCallSchema>;

/** A stream as it is: what a test sends is what goes over the wire. */
export class RawPipeline {
  /** Settles when the server has ended the stream; rejects with what it ended with. */
  readonly ended: Promise<void>;
  /** As the first message says. */
  callsInFlightMax = 0;
  /** Every answer, in the order in which they came. */
  readonly replies: PipelinedReply[] = [];
  /** How many answers each message had. */
  readonly messages: number[] = [];
  /** Answers are taken only while this is not pending. */
  gate: Promise<void> = Promise.resolve();
  private readonly waiting = new Map<bigint, (reply: PipelinedReply) => void>();
  private readonly outgoing: PipelineRequest[] = [];
  private isFinished = false;
  private wake: (() => void) | undefined;
  private nextId = 1n;
  private readonly dropping = new AbortController();

  constructor(url: string, headers: Record<string, string> = {}) {
    const { transport, close } = connectToServer(url);
    onTestFinished(() => close());
    this.ended = this.run(createClient(SessionService, transport), headers);
    // Whoever asks is told. As every library does, it sends no more when the server has ended the stream.
    this.ended.catch(() => undefined).finally(() => this.finish());
  }

  /** One call, and its answer. */
  async call(init: CallInit): Promise<PipelinedReply> {
    return (await this.callAll([init]))[0] as PipelinedReply;
  }

  /** Calls in one message, and the answer to each. */
  callAll(inits: readonly CallInit[]): Promise<PipelinedReply[]> {
    const calls = inits.map((init) => create(PipelinedCallSchema, { id: this.nextId++, ...init }));
    const answers = calls.map(({ id }) => new Promise<PipelinedReply>((resolve) => this.waiting.set(id, resolve)));
    this.send(calls);
    return Promise.all(answers);
  }

  /** Sends a message of these calls. */
  send(calls: readonly PipelinedCall[]): void {
    this.outgoing.push(create(PipelineRequestSchema, { calls: [...calls] }));
    this.wake?.();
  }

  /** Sends no more. */
  finish(): void {
    this.isFinished = true;
    this.wake?.();
  }

  /** Hangs up. */
  drop(): void {
    this.dropping.abort();
    this.finish();
  }

  private async run(sessions: ReturnType<typeof createClient<typeof SessionService>>, headers: Record<string, string>) {
    for await (const { replies, callsInFlightMax } of sessions.pipeline(this.sent(), {
      headers,
      signal: this.dropping.signal,
    })) {
      if (callsInFlightMax > 0) this.callsInFlightMax = callsInFlightMax;
      else this.messages.push(replies.length);
      this.replies.push(...replies);
      for (const reply of replies) {
        this.waiting.get(reply.id)?.(reply);
        this.waiting.delete(reply.id);
      }
      await this.gate;
    }
  }

  private async *sent(): AsyncGenerator<PipelineRequest> {
    for (;;) {
      const next = this.outgoing.shift();
      if (next !== undefined) yield next;
      else if (this.isFinished) return;
      else
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
    }
  }
}

/** A command or a group as a call. */
export function itemCall(command: BatchItem["command"]): CallInit {
  return { call: { case: "item", value: { command } } };
}

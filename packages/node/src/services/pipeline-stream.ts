import { assert, COMMANDS_PER_CALL_MAX, GROUP_ITEMS_MAX, RefusalError } from "@bank/core";
import {
  type PipelinedCall,
  type PipelinedReply,
  type PipelineRequest,
  type PipelineResponse,
  PipelineResponseSchema,
} from "@bank/proto";
import { failureFromRefusal, malformed } from "@bank/rpc";
import { create } from "@bufbuild/protobuf";
import { type CallUnderWay, type Reply, weightOf } from "./pipeline-call.ts";

/** Calls that may be under way on one stream: until their answers were handed over. Further ones are not read. */
export const CALLS_IN_FLIGHT_MAX = 4_096;
/** Likewise the commands in them, those inside groups counted, so that what waits for a caller who does not read is bounded. */
export const COMMANDS_IN_FLIGHT_MAX = COMMANDS_PER_CALL_MAX - GROUP_ITEMS_MAX;
/** Answers leave in messages of so many, those inside groups counted: a caller takes them one by one while others come. */
const ANSWERS_PER_MESSAGE_MAX = 512;
assert(CALLS_IN_FLIGHT_MAX <= COMMANDS_IN_FLIGHT_MAX, "as many single commands are under way as calls may be");

/** Begins calls, and has each answered. */
type Begin = (calls: readonly CallUnderWay[]) => void;

type MessageOf = (replies: PipelinedReply[]) => PipelineResponse;

/** An answer that waits until its caller takes it. */
interface Answered {
  readonly id: bigint;
  readonly weight: number;
  readonly reply: Reply;
  /** False for an answer about a call that must not be: nothing is under way under its id by it. */
  readonly isCounted: boolean;
}

/**
 * One stream of calls, from its first message to its last.
 *
 * Reading and answering go on side by side. Reading stops while too much is under way, which is what the caller's own flow
 * control feels; an answer counts as under way until it is handed over, so that nothing piles up for a caller who does not
 * read. Nothing is ever dropped: what was read is answered, unless its caller is gone.
 */
export class PipelineStream {
  private readonly begin: Begin;
  private readonly messageOf: MessageOf;
  private readonly ids = new Set<bigint>();
  private commands = 0;
  private readonly answered: Answered[] = [];
  /** Why no more calls are read; undefined while they are. */
  private end:
    | { readonly kind: "caller" | "server" | "gone" }
    | { readonly kind: "broken"; readonly error: unknown }
    | undefined;
  /** Continues whoever waits for room, for a message or for answers. */
  private wakeReader: (() => void) | undefined;
  private wakeWriter: (() => void) | undefined;
  private isWriterCalled = false;

  /** @param messageOf how answers are put into a message. */
  constructor(begin: Begin, messageOf: MessageOf) {
    this.begin = begin;
    this.messageOf = messageOf;
  }

  /** How many calls are under way, those included whose answers were not taken. */
  get inFlight(): number {
    return this.ids.size;
  }

  /**
   * The messages of the answers, while calls are read.
   *
   * @param signals `ending` aborts when the server begins to close: no more calls are read then. `gone` aborts when nobody
   *   takes answers any more.
   */
  async *answer(
    requests: AsyncIterable<PipelineRequest>,
    { ending, gone }: { readonly ending: AbortSignal; readonly gone: AbortSignal },
  ): AsyncGenerator<PipelineResponse> {
    const onEnding = () => this.stop({ kind: "server" });
    const onGone = () => this.stop({ kind: "gone" });
    ending.addEventListener("abort", onEnding);
    gone.addEventListener("abort", onGone);
    try {
      yield create(PipelineResponseSchema, { callsInFlightMax: CALLS_IN_FLIGHT_MAX });
      if (ending.aborted) onEnding();
      void this.readAll(requests);
      while (await this.hasAnswers()) yield this.messageOf(this.take());
      if (this.end?.kind === "server") throw shuttingDown();
      if (this.end?.kind === "broken") throw this.end.error;
    } finally {
      this.stop({ kind: "gone" });
      ending.removeEventListener("abort", onEnding);
      gone.removeEventListener("abort", onGone);
    }
  }

  /** Reads until there is an end, which it takes note of. */
  private async readAll(requests: AsyncIterable<PipelineRequest>): Promise<void> {
    const messages = requests[Symbol.asyncIterator]();
    try {
      while (this.end === undefined) {
        const next = await this.unlessStopped(messages.next());
        if (next === undefined) break;
        if (next.done === true) return this.stop({ kind: "caller" });
        await this.beginAll(next.value.calls);
      }
      // What is on its way here would stand between the stream and its end.
      while ((await messages.next()).done !== true);
    } catch (error) {
      this.stop({ kind: "broken", error });
    }
  }

  /** As many together as there is room for. */
  private async beginAll(calls: readonly PipelinedCall[]): Promise<void> {
    let next = 0;
    while (next < calls.length) {
      if (!this.hasRoom()) await this.whenRoom();
      if (this.end !== undefined) return;
      const taken: CallUnderWay[] = [];
      for (; next < calls.length && this.hasRoom(); next++) taken.push(...this.admit(calls[next] as PipelinedCall));
      this.begin(taken);
    }
  }

  private admit(call: PipelinedCall): [] | [CallUnderWay] {
    const { id } = call;
    const weight = weightOf(call);
    this.commands += weight;
    if (this.ids.has(id)) {
      this.put({ id, weight, reply: duplicate(id), isCounted: false });
      return [];
    }
    this.ids.add(id);
    let isAnswered = false;
    const answer = (reply: Reply) => {
      if (isAnswered) return;
      isAnswered = true;
      this.put({ id, weight, reply, isCounted: true });
    };
    return [{ call, weight, answer }];
  }

  private put(answered: Answered): void {
    this.answered.push(answered);
    if (this.isWriterCalled || this.wakeWriter === undefined) return;
    this.isWriterCalled = true;
    // What else becomes ready in this turn leaves in the same message.
    process.nextTick(() => {
      this.isWriterCalled = false;
      this.wakeWriter?.();
    });
  }

  /** False when there will be none any more. */
  private async hasAnswers(): Promise<boolean> {
    for (;;) {
      if (this.end?.kind === "gone") return false;
      if (this.answered.length > 0) return true;
      if (this.end !== undefined && this.ids.size === 0) return false;
      await new Promise<void>((resolve) => {
        this.wakeWriter = resolve;
      });
      this.wakeWriter = undefined;
    }
  }

  /** The answers that are ready, as many as one message holds; their calls are over. */
  private take(): PipelinedReply[] {
    let weight = 0;
    let count = 0;
    while (count < this.answered.length && weight < ANSWERS_PER_MESSAGE_MAX)
      weight += (this.answered[count++] as Answered).weight;
    const taken = this.answered.splice(0, count);
    for (const { id, isCounted } of taken) if (isCounted) this.ids.delete(id);
    this.commands -= weight;
    this.wakeReader?.();
    return taken.map(replyOf);
  }

  private hasRoom(): boolean {
    return this.ids.size < CALLS_IN_FLIGHT_MAX && this.commands < COMMANDS_IN_FLIGHT_MAX;
  }

  private async whenRoom(): Promise<void> {
    while (!this.hasRoom() && this.end === undefined)
      await new Promise<void>((resolve) => {
        this.wakeReader = resolve;
      });
    this.wakeReader = undefined;
  }

  /** The first end counts, but nothing is done for somebody who is gone. */
  private stop(end: NonNullable<PipelineStream["end"]>): void {
    if (this.end === undefined || end.kind === "gone") this.end = end;
    this.wakeReader?.();
    this.wakeWriter?.();
  }

  /** What the promise gives, or undefined as soon as no more is to be read. Leaves nothing behind at the stream's end. */
  private async unlessStopped<T>(promise: Promise<T>): Promise<T | undefined> {
    try {
      return await new Promise<T | undefined>((resolve, reject) => {
        this.wakeReader = () => {
          if (this.end !== undefined) resolve(undefined);
        };
        promise.then(resolve, reject);
      });
    } finally {
      this.wakeReader = undefined;
    }
  }
}

/** As `create` would make it, at a fraction of the cost. */
function replyOf({ id, reply: { reply, readInfo } }: Answered): PipelinedReply {
  const message: PipelinedReply = { $typeName: "bank.v1.PipelinedReply", id, reply };
  if (readInfo !== undefined) message.readInfo = readInfo;
  return message;
}

function duplicate(id: bigint): Reply {
  const error = malformed([{ field: "id", description: `call ${id} is under way` }]);
  return { reply: { case: "failure", value: failureFromRefusal(error) } };
}

/** What was taken is answered; of what was not, nothing was done. */
function shuttingDown(): RefusalError {
  const problem = "it is shutting down; what it has not answered on this stream it has not begun";
  return new RefusalError("NOT_READY", { problem }, "NOT_APPLIED");
}

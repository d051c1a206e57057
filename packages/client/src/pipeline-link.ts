import type { PipelinedReply, PipelineRequest, SessionService } from "@bank/proto";
import { EPOCH_HEADER, writtenCalls } from "@bank/rpc";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import type { PipelineEntry } from "./pipeline-entry.ts";

/** Commands of one message, those inside groups counted: with the longest texts they stay below what a server takes. */
const COMMANDS_PER_MESSAGE_MAX = 512;
/** A server that has not said its first word by then will not: it takes streams, and does nothing for them. */
const FIRST_MESSAGE_TIMEOUT_MS = 5_000;

/** Whose calls a link carries. */
export interface LinkOwner {
  /** Takes the next call that is to be sent over this link; undefined when there is none now. */
  next(link: PipelineLink): PipelineEntry | undefined;
  /** The link takes calls. */
  onOpen(link: PipelineLink): void;
  /** The link has ended, once; those that it has not answered are the owner's again. */
  onEnd(link: PipelineLink, error: unknown): void;
}

/**
 * One stream, from its opening to its end.
 *
 * Nothing is sent before the server's first message, which says how many calls may be under way: so nothing was asked of a
 * server that cannot be reached, or does not know such streams.
 */
export class PipelineLink {
  /** Calls that were sent and are not answered, those included whose callers do not wait any more. */
  readonly underWay = new Map<bigint, PipelineEntry>();
  /** The number of the highest epoch that this server is known to know. */
  epoch: number;
  /** Whether the server has said its first word. */
  isOpen = false;
  /** How many calls it has answered. */
  answered = 0;
  /** How many commands are in the calls that are under way. */
  commands = 0;
  private readonly owner: LinkOwner;
  private readonly dropping = new AbortController();
  private callsMax = 0;
  private nextId = 1n;
  private isFinishing = false;
  private isEnded = false;
  private wake: (() => void) | undefined;
  private isWakeCalled = false;

  constructor(owner: LinkOwner, sessions: Client<typeof SessionService>, first: PipelineEntry | undefined) {
    this.owner = owner;
    this.epoch = first?.epoch ?? 0;
    const headers: Record<string, string> = first?.epochText === undefined ? {} : { [EPOCH_HEADER]: first.epochText };
    void this.run(sessions, headers);
  }

  /** There are calls to send. Those that are made in the same turn go along. */
  call(): void {
    if (this.isWakeCalled || this.wake === undefined) return;
    this.isWakeCalled = true;
    process.nextTick(() => {
      this.isWakeCalled = false;
      this.wake?.();
    });
  }

  /** Sends no more calls; those that are under way are still answered. */
  finish(): void {
    this.isFinishing = true;
    this.wake?.();
  }

  /** Ends it now, with whatever is under way. */
  drop(): void {
    this.finish();
    this.dropping.abort();
  }

  private async run(sessions: Client<typeof SessionService>, headers: Record<string, string>): Promise<void> {
    const silent = setTimeout(() => {
      this.end(new ConnectError("the server did not begin the stream", Code.Unavailable));
      this.dropping.abort();
    }, FIRST_MESSAGE_TIMEOUT_MS);
    try {
      // It lasts as long as it is used: no deadline but those of its calls.
      const options = { headers, signal: this.dropping.signal, timeoutMs: 0 };
      for await (const { replies, callsInFlightMax } of sessions.pipeline(this.messages(), options)) {
        clearTimeout(silent);
        if (callsInFlightMax > 0) this.open(callsInFlightMax);
        if (replies.length > 0) this.receive(replies);
      }
      this.end(new ConnectError("the server ended the stream", Code.Unavailable));
    } catch (error) {
      this.end(error);
    } finally {
      clearTimeout(silent);
    }
  }

  private open(callsMax: number): void {
    this.callsMax = callsMax;
    this.isOpen = true;
    this.wake?.();
    this.owner.onOpen(this);
  }

  private receive(replies: readonly PipelinedReply[]): void {
    const wasFull = this.isFull;
    this.answered += replies.length;
    for (const reply of replies) {
      const entry = this.underWay.get(reply.id);
      // Twice told, or told to nobody: there is nothing that could be made of it.
      if (entry === undefined) continue;
      this.underWay.delete(reply.id);
      this.commands -= entry.weight;
      this.hear(reply);
      entry.answer(reply);
    }
    if (wasFull) this.wake?.();
  }

  /** A server that has answered from an epoch knows of it. */
  private hear({ reply, readInfo }: PipelinedReply): void {
    const info =
      readInfo ?? (reply.value !== undefined && "readInfo" in reply.value ? reply.value.readInfo : undefined);
    if (info !== undefined && info.epoch > this.epoch) this.epoch = Number(info.epoch);
  }

  private async *messages(): AsyncGenerator<PipelineRequest> {
    for (;;) {
      const calls = this.take();
      if (calls.length > 0) {
        yield writtenCalls(calls);
        continue;
      }
      if (this.isFinishing || this.isEnded) return;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      this.wake = undefined;
    }
  }

  private take(): PipelineRequest["calls"] {
    const calls: PipelineRequest["calls"] = [];
    let weight = 0;
    while (weight < COMMANDS_PER_MESSAGE_MAX && !this.isFull && !this.isFinishing) {
      const entry = this.owner.next(this);
      if (entry === undefined) break;
      const id = this.nextId++;
      this.underWay.set(id, entry);
      weight += entry.weight;
      this.commands += entry.weight;
      calls.push(entry.message(id));
    }
    return calls;
  }

  private get isFull(): boolean {
    return this.underWay.size >= this.callsMax;
  }

  private end(error: unknown): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.finish();
    this.owner.onEnd(this, error);
  }
}

import type { SessionService } from "@bank/proto";
import { failureFromConnectError, isSilence } from "@bank/rpc";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import {
  type PipelinedAnswer,
  type PipelinedOperation,
  type PipelinedSending,
  PipelineEntry,
} from "./pipeline-entry.ts";
import { type LinkOwner, PipelineLink } from "./pipeline-link.ts";
import { SignalWatch } from "./pipeline-signals.ts";
import { WaitingCalls } from "./pipeline-waiting.ts";

/** With so many calls waiting to be sent, `whenRoom` waits. */
const WAITING_MAX = 8_192;
/** A stream that had nothing to do for so long is ended: while it is there it keeps the process alive. */
const IDLE_MAX_MS = 2_000;

/**
 * Single operations at one server, pipelined over one stream, which opens with the first of them and again whenever it is
 * lost.
 *
 * Each call ends as by itself over a connection of its own: with the same answer, or the same `ConnectError`. Calls that
 * are under way together are concurrent, also where one was made before the other: only what is called after another's
 * answer is ordered after it.
 *
 * When a stream breaks, or the server ends it because it shuts down, what is not answered is sent again over a new one, with
 * the same request ids. Where the server fell silent, or no new one can be opened, it ends with `UNAVAILABLE`, and whoever
 * retries calls has the word.
 */
export class ServerPipeline implements LinkOwner {
  private readonly sessions: Client<typeof SessionService>;
  /** Not sent yet, or to be sent again. */
  private readonly waiting = new WaitingCalls();
  private readonly signals = new SignalWatch<PipelineEntry>((entry, reason) => entry.reject(canceled(reason)));
  private readonly roomWaiters: (() => void)[] = [];
  private current: PipelineLink | undefined;
  private readonly links = new Set<PipelineLink>();
  /** The stream before the current one had answered nothing when it broke. */
  private isFruitless = false;
  private isClosed = false;
  /** The server does not know such streams. */
  isUnsupported = false;
  private idleTimer: NodeJS.Timeout | undefined;
  private isUsed = false;

  constructor(sessions: Client<typeof SessionService>) {
    this.sessions = sessions;
  }

  private readonly onSettled = (entry: PipelineEntry) => {
    if (entry.signal !== undefined) this.signals.remove(entry.signal, entry);
    this.waiting.onSettled(entry);
    this.wakeIfRoom();
  };

  /** Rejects with `ConnectError`, as the call by itself. */
  call<Operation extends PipelinedOperation>(
    operation: Operation,
    sending: PipelinedSending,
  ): Promise<PipelinedAnswer<Operation["case"]>> {
    return new Promise((resolve, reject) => {
      const { signal } = sending;
      if (this.isClosed) return reject(closed());
      if (signal?.aborted === true) return reject(canceled(signal.reason));
      const entry = new PipelineEntry(operation, sending, {
        resolve: resolve as (answer: PipelinedAnswer) => void,
        reject,
        onTimeUp,
        onSettled: this.onSettled,
      });
      if (signal !== undefined) this.signals.add(signal, entry);
      this.waiting.push(entry);
      this.isUsed = true;
      this.send();
    });
  }

  /** How many commands wait here, or are in calls that the stream of the moment has not answered, whoever still waits for them. */
  get commands(): number {
    return this.waiting.commands + (this.current?.commands ?? 0);
  }

  /** Resolves once not too many calls wait to be sent: for callers that make them faster than they are answered. */
  async whenRoom(): Promise<void> {
    while (!this.hasRoom)
      await new Promise<void>((resolve) => {
        this.roomWaiters.push(resolve);
      });
  }

  /** Ends everything that is under way with `CANCELED`. */
  close(): void {
    this.isClosed = true;
    clearTimeout(this.idleTimer);
    for (const link of this.links) link.drop();
    this.rejectWaiting(closed);
  }

  next(link: PipelineLink): PipelineEntry | undefined {
    if (link !== this.current) return undefined;
    const { first } = this.waiting;
    if (first !== undefined && first.epoch > link.epoch) {
      // A server is told of an epoch when a stream begins.
      this.replaceCurrent();
      return undefined;
    }
    const entry = this.waiting.take();
    this.wakeIfRoom();
    return entry;
  }

  onOpen(): void {
    this.idleTimer ??= this.watchIdleness();
  }

  onEnd(link: PipelineLink, error: unknown): void {
    this.links.delete(link);
    const wasCurrent = this.current === link;
    if (wasCurrent) this.current = undefined;
    const unanswered = [...link.underWay.values()].filter(({ isSettled }) => !isSettled);
    link.underWay.clear();
    if (!wasNotBegun(error)) for (const entry of unanswered) entry.mayHaveRun = true;
    this.waiting.putBack(unanswered);
    if (!link.isOpen && codeOf(error) === Code.Unimplemented) this.isUnsupported = true;
    // A server that opens streams and breaks them would be asked for ever; one that is silent would be waited for once more.
    const isHopeless = !link.isOpen || isSilence(error) || (link.answered === 0 && this.isFruitless);
    this.isFruitless = link.isOpen && link.answered === 0;
    if (this.isClosed) this.rejectWaiting(closed);
    else if (isHopeless && wasCurrent) this.rejectWaiting((entry) => (entry.mayHaveRun ? lost(error) : error));
    else this.send();
  }

  private send(): void {
    const { first } = this.waiting;
    if (first === undefined) return;
    if (this.current === undefined) {
      this.current = new PipelineLink(this, this.sessions, first);
      this.links.add(this.current);
    } else {
      this.current.call();
    }
  }

  private replaceCurrent(): void {
    this.current?.finish();
    this.current = undefined;
    // Not in the middle of what the old one is asked for.
    process.nextTick(() => this.send());
  }

  private rejectWaiting(errorOf: (entry: PipelineEntry) => unknown): void {
    for (const entry of this.waiting.takeAll()) entry.reject(errorOf(entry));
    this.wakeIfRoom();
  }

  private get hasRoom(): boolean {
    return this.isClosed || this.waiting.count < WAITING_MAX;
  }

  private wakeIfRoom(): void {
    if (this.roomWaiters.length > 0 && this.hasRoom) for (const wake of this.roomWaiters.splice(0)) wake();
  }

  private watchIdleness(): NodeJS.Timeout {
    this.isUsed = false;
    return setTimeout(() => {
      this.idleTimer = undefined;
      const { current } = this;
      if (current === undefined) return;
      if (this.isUsed || current.underWay.size > 0 || this.waiting.count > 0) {
        this.idleTimer = this.watchIdleness();
        return;
      }
      this.current = undefined;
      current.finish();
    }, IDLE_MAX_MS).unref();
  }
}

function onTimeUp(entry: PipelineEntry): void {
  entry.reject(new ConnectError("the operation timed out", Code.DeadlineExceeded));
}

function canceled(reason: unknown): ConnectError {
  return new ConnectError("the call was canceled", Code.Canceled, undefined, undefined, reason);
}

function closed(): ConnectError {
  return new ConnectError("the connection was closed", Code.Canceled);
}

/** Of a call that was sent before: that there is no connection now does not mean that nothing was done. */
function lost(error: unknown): ConnectError {
  const { rawMessage } = ConnectError.from(error);
  const words = `the stream was lost, and there is no other: ${rawMessage}`;
  // Not that no connection could be made as its direct cause, which would say that nothing was ever sent.
  return new ConnectError(words, Code.Unavailable, undefined, undefined, new Error(words, { cause: error }));
}

/** A server that shuts down has answered everything that it has begun. */
function wasNotBegun(error: unknown): boolean {
  return error instanceof ConnectError && failureFromConnectError(error)?.reason === "NOT_READY";
}

function codeOf(error: unknown): Code | undefined {
  return error instanceof ConnectError ? error.code : undefined;
}

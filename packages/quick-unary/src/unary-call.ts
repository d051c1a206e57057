import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { CallContext } from "./call-objects.ts";
import { CallSignal } from "./call-signal.ts";
import type { Deadlines, Expiring } from "./deadlines.ts";
import { QuickHeaders } from "./quick-headers.ts";
import type { QuickMethod } from "./quick-method.ts";
import { resetReason } from "./reset-reason.ts";

type AnyMessage = MessageShape<DescMessage>;

/** What a call has besides its stream. */
export interface CallParts {
  readonly method: QuickMethod;
  readonly url: string;
  readonly requestHeader: QuickHeaders;
  readonly deadlines: Deadlines;
  /** Told of an answer that was begun and not finished, or could not be begun though its caller waits. */
  readonly reportUnsent: (error: unknown) => void;
}

/** What a protocol says about the time that a call may take: as Connect's `parseTimeout` gives it. */
export interface AskedTimeout {
  readonly timeoutMs?: number | undefined;
  readonly error?: ConnectError | undefined;
}

/**
 * - `reading`: bytes of the request are awaited. It ends with the last one, or with what is wrong with them.
 * - `working`: interceptors and handler have the message, or a failure is being answered.
 * - `answering`: the response has begun. It ends when HTTP/2 has taken all of it.
 * - `over`: nothing is to be done any more: answered, or the caller is gone.
 */
type Phase = "reading" | "working" | "answering" | "over";

/** Whoever goes on sending after his answer is let speak so far, and then cut off. */
const UNREAD_BYTES_MAX = 16 * 1024 * 1024;
/** A request must be complete after so long: a stream that stands open costs memory, and counts among those of its connection. */
export const REQUEST_TIMEOUT_MS = 30_000;
/** Connect's signals abort without a reason when a call is over; making one for each costs more than it tells. */
export const OVER = new DOMException("This operation was aborted", "AbortError");

const CALL = Symbol("call");

/** A stream knows its call: listeners that all calls share cost less than closures for each. */
interface TakenStream extends ServerHttp2Stream {
  [CALL]?: UnaryCall | undefined;
}

type Fields = Readonly<Record<string, string>>;

/** One unary call on a stream of HTTP/2, in one of the protocols. */
export abstract class UnaryCall implements Expiring {
  /** When it must be looked at next: at its own deadline or, before that, when its request must be complete. */
  deadlineMs: number;
  /** Among those that have a deadline. */
  place: number | undefined = undefined;
  /** Its own deadline, by the same clock, until it has passed. */
  private askedMs: number;
  private readonly completeByMs: number;
  protected readonly stream: ServerHttp2Stream;
  protected readonly method: QuickMethod;
  protected readonly context: HandlerContext;
  private readonly deadlines: Deadlines;
  private readonly reportUnsent: (error: unknown) => void;
  private readonly signal = new CallSignal();
  protected phase: Phase = "reading";
  private unreadBytes = 0;
  /** The last byte of the request has come. */
  private isComplete = false;
  /** Its time was up before that: the stream is closed behind the answer. */
  private isCutOff = false;

  protected constructor(
    stream: ServerHttp2Stream,
    parts: CallParts,
    protocol: {
      readonly name: string;
      readonly asked: AskedTimeout;
      readonly header: Fields;
      readonly trailer: Fields;
    },
  ) {
    this.stream = stream;
    this.method = parts.method;
    this.deadlines = parts.deadlines;
    this.reportUnsent = parts.reportUnsent;
    const { timeoutMs } = protocol.asked;
    const nowMs = performance.now();
    const hasTime = timeoutMs !== undefined && timeoutMs > 0;
    this.askedMs = hasTime ? nowMs + timeoutMs : Number.POSITIVE_INFINITY;
    this.completeByMs = nowMs + REQUEST_TIMEOUT_MS;
    this.deadlineMs = Math.min(this.askedMs, this.completeByMs);
    // In whole milliseconds, as Connect counts them.
    const endsMs = timeoutMs === undefined ? undefined : Math.trunc(Date.now() + timeoutMs);
    const contextParts = {
      protocolName: protocol.name,
      url: parts.url,
      timeoutMs: () => (endsMs === undefined ? undefined : endsMs - Date.now()),
      requestHeader: parts.requestHeader,
      responseHeader: new QuickHeaders(protocol.header),
      responseTrailer: new QuickHeaders(protocol.trailer),
    };
    this.context = new CallContext(parts.method.route.spec.method, contextParts, this.signal);
    if (timeoutMs !== undefined && !hasTime) this.signal.abort(timedOut());
    this.deadlines.add(this);
  }

  /** Listens to its stream from now on. */
  begin(): void {
    const stream: TakenStream = this.stream;
    stream[CALL] = this;
    stream.on("error", ignoreError);
    stream.on("close", onClose);
    stream.on("wantTrailers", onWantTrailers);
    stream.on("data", onData);
    stream.on("end", onEnd);
  }

  /** Of its own deadline the handler's signal says so; it is the handler who gives up. */
  expire(): void {
    if (this.deadlineMs !== this.askedMs) {
      this.cutOff();
      return;
    }
    this.askedMs = Number.POSITIVE_INFINITY;
    this.signal.abort(timedOut());
    if (this.isComplete) return;
    this.deadlineMs = this.completeByMs;
    this.deadlines.add(this);
  }

  /** The request was not complete in time. One that was answered before that is answered for good. */
  private cutOff(): void {
    this.isCutOff = true;
    if (this.phase === "over") this.stream.close(constants.NGHTTP2_NO_ERROR);
    else void this.workOnFailure(new ConnectError("the request was not complete in time", Code.DeadlineExceeded));
  }

  /** A piece of the request. */
  protected abstract take(piece: Buffer): void;
  /** The request is complete. */
  protected abstract taken(): void;
  /** Sends the answer. May throw. */
  protected abstract answer(bytes: Uint8Array<ArrayBuffer>): void | Promise<void>;
  /** Sends what went wrong instead. May throw. */
  protected abstract answerFailure(error: unknown): void | Promise<void>;
  /** What comes behind the body. */
  protected abstract trailers(): OutgoingHttpHeaders;

  /** Has a message read, handled and answered. */
  protected work(bytes: Uint8Array): void {
    try {
      void this.workOn(this.method.input.parse(bytes));
    } catch (error) {
      void this.workOnFailure(error);
    }
  }

  /** Has a message handled and answers; never rejects. */
  protected async workOn(message: AnyMessage): Promise<void> {
    if (this.phase !== "reading") return;
    this.phase = "working";
    try {
      let bytes: Uint8Array<ArrayBuffer>;
      try {
        bytes = this.method.output.serialize(await this.method.invoke(this.context, message));
      } catch (error) {
        await this.fail(error);
        return;
      }
      await this.answer(bytes);
      this.release(OVER);
    } catch (error) {
      this.giveUp(error);
    }
  }

  /** Answers with a failure; never rejects. */
  protected async workOnFailure(failure: unknown): Promise<void> {
    if (this.phase !== "reading") return;
    this.phase = "working";
    // Whatever else the caller sends is let pass.
    if (this.stream.isPaused()) this.stream.resume();
    try {
      await this.fail(failure);
    } catch (error) {
      this.giveUp(error);
    }
  }

  /** Begins the response. False where nobody waits for it any more. */
  protected respond(headers: OutgoingHttpHeaders): boolean {
    if (this.phase === "over" || this.stream.destroyed || this.stream.closed) return false;
    this.phase = "answering";
    this.stream.respond(headers, WITH_TRAILERS);
    return true;
  }

  protected async fail(error: unknown): Promise<void> {
    this.release(error ?? OVER);
    await this.answerFailure(error);
  }

  /** The call is over for those who listen to its signal. */
  protected release(reason: unknown): void {
    // Whoever was refused before his request was complete must still end it.
    if (this.isComplete) this.deadlines.delete(this);
    this.signal.abort(reason);
  }

  /** There is no answer that could be sent. */
  protected giveUp(error: unknown): void {
    this.release(error);
    if (this.phase === "over") return;
    this.phase = "over";
    this.reportUnsent(error);
    this.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }

  /** @internal for the listeners of streams. */
  onData(piece: Buffer): void {
    if (this.phase === "reading") {
      this.take(piece);
      return;
    }
    this.unreadBytes += piece.length;
    if (this.unreadBytes > UNREAD_BYTES_MAX) this.stream.close(constants.NGHTTP2_NO_ERROR);
  }

  /** @internal for the listeners of streams. */
  onEnd(): void {
    this.isComplete = true;
    this.deadlineMs = this.askedMs;
    if (this.askedMs === Number.POSITIVE_INFINITY || this.phase === "over") this.deadlines.delete(this);
    if (this.phase === "reading") this.taken();
  }

  /** @internal for the listeners of streams. */
  onWantTrailers(): void {
    this.phase = "over";
    try {
      this.stream.sendTrailers(this.trailers());
      // Not before they have been written.
      if (this.isCutOff) setImmediate(() => this.stream.close(constants.NGHTTP2_NO_ERROR));
    } catch (error) {
      this.phase = "answering";
      this.giveUp(error);
    }
  }

  /** @internal for the listeners of streams. */
  onClose(): void {
    const { phase, stream } = this;
    this.deadlines.delete(this);
    if (phase === "over") return;
    this.phase = "over";
    const reason = resetReason(stream.rstCode);
    this.release(reason);
    if (phase === "answering")
      this.reportUnsent(stream.errored ?? reason ?? new Error("the stream was closed too soon"));
  }
}

function timedOut(): ConnectError {
  return new ConnectError("the operation timed out", Code.DeadlineExceeded);
}

const WITH_TRAILERS = { waitForTrailers: true };

function onData(this: TakenStream, piece: Buffer): void {
  this[CALL]?.onData(piece);
}

function onEnd(this: TakenStream): void {
  this[CALL]?.onEnd();
}

function onWantTrailers(this: TakenStream): void {
  this[CALL]?.onWantTrailers();
}

function onClose(this: TakenStream): void {
  const call = this[CALL];
  // Node's streams live until the next full collection of memory: what hangs on them should not.
  this[CALL] = undefined;
  call?.onClose();
}

function ignoreError(): void {
  // It is followed by "close", where the call asks what it was.
}

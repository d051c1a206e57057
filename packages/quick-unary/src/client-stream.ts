import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { headerGrpcStatus, validateResponseWithCompression, validateTrailer } from "@connectrpc/connect/protocol-grpc";
import { ByteQueue } from "./byte-queue.ts";
import { asConnectError, type ClientCallParts } from "./client-call.ts";
import { MessageSplitter } from "./message-splitter.ts";
import { readMessages } from "./one-message.ts";
import { QuickHeaders } from "./quick-headers.ts";
import { resetReason } from "./reset-reason.ts";

/** More than this does not wait in memory for whoever reads the messages: their sender has to wait. */
const WAITING_BYTES_MAX = 1024 * 1024;
/** Small messages take more memory than their bytes. */
const WAITING_MESSAGES_MAX = 4_096;

/** How a stream has ended; an error is told behind all messages that came before it. */
type End = { readonly error: unknown } | "whole";

const NO_FIELDS = {};

/**
 * The messages that a call of gRPC is answered with, on a stream of HTTP/2.
 *
 * Messages that are not compressed, and not too long, are cut out here; whatever else comes is Connect's to judge, so that it is
 * said in the same words.
 */
export class ClientStream<T> implements AsyncIterator<T> {
  /** Resolves with the fields of the header. Rejects where there is no answer, or one that says in its header that it has failed. */
  readonly header: Promise<Headers>;
  /** As Connect's: filled once the last message was read. */
  readonly trailer = new Headers();
  private readonly stream: ClientHttp2Stream;
  private readonly parts: ClientCallParts<T>;
  private readonly answered = Promise.withResolvers<Headers>();
  private readonly splitter: MessageSplitter;
  /** Messages that were not asked for yet, the oldest first. */
  private readonly waiting: Uint8Array[] = [];
  private waitingBytes = 0;
  private received = new QuickHeaders(NO_FIELDS);
  private hasStatusInHeader = false;
  /** Where Connect reads: the bytes, and what it makes of them. */
  private odd: { readonly bytes: ByteQueue; readonly messages: AsyncIterator<T> } | undefined;
  private awaitedOdd: Promise<T | undefined> | undefined;
  private end: End | undefined;
  /** Something has come, or it has ended. */
  private change = Promise.withResolvers<void>();

  constructor(stream: ClientHttp2Stream, parts: ClientCallParts<T>) {
    this.stream = stream;
    this.parts = parts;
    this.header = this.answered.promise;
    this.header.catch(ignore);
    this.splitter = new MessageSplitter(parts.readMaxBytes, (bytes) => this.keep(bytes));
    stream.on("response", (fields) => this.onResponse(fields));
    stream.on("trailers", (fields) => {
      new QuickHeaders(fields).forEach((value, name) => {
        this.trailer.append(name, value);
      });
    });
    stream.on("data", (piece: Buffer) => this.onData(piece));
    stream.on("end", () => this.onEnd());
    stream.on("error", (error) => this.fail(this.parts.lost(asConnectError(error))));
    stream.on("close", () => {
      if (!stream.readableEnded) this.onReset();
    });
  }

  async next(): Promise<IteratorResult<T>> {
    for (;;) {
      const bytes = this.waiting.shift();
      if (bytes !== undefined) return { done: false, value: this.read(bytes) };
      if (this.end === "whole") return { done: true, value: undefined };
      if (this.end !== undefined) throw this.end.error;
      const { change, odd } = this;
      if (odd === undefined) await change.promise;
      else {
        // Asked once for each message: what it says when the race is over is the next one.
        this.awaitedOdd ??= this.nextOdd(odd.messages);
        const message = await Promise.race([this.awaitedOdd, change.promise.then(() => undefined)]);
        if (message === undefined) continue;
        this.awaitedOdd = undefined;
        return { done: false, value: message };
      }
    }
  }

  /** Ends the call with an error, and its stream; what came and was not read is forgotten. */
  abort(error: unknown): void {
    this.waiting.length = 0;
    this.waitingBytes = 0;
    this.fail(error);
  }

  private read(bytes: Uint8Array): T {
    this.waitingBytes -= bytes.length;
    if (this.stream.isPaused() && !this.isFull()) this.stream.resume();
    return this.parts.parse(bytes);
  }

  private keep(bytes: Uint8Array): void {
    this.waiting.push(bytes);
    this.waitingBytes += bytes.length;
    if (this.isFull()) this.stream.pause();
    this.changed();
  }

  private isFull(): boolean {
    return this.waitingBytes > WAITING_BYTES_MAX || this.waiting.length > WAITING_MESSAGES_MAX;
  }

  private onResponse(fields: IncomingHttpHeaders): void {
    if (this.end !== undefined) return;
    this.received = new QuickHeaders(fields);
    try {
      const status = Number(fields[":status"] ?? 0);
      const { foundStatus, headerError } = validateResponseWithCompression([], status, this.received);
      if (headerError !== undefined) throw headerError;
      this.hasStatusInHeader = foundStatus;
      this.answered.resolve(this.received);
    } catch (error) {
      this.fail(error);
    }
  }

  private onData(piece: Buffer): void {
    if (this.end !== undefined) return;
    if (this.odd !== undefined) {
      this.odd.bytes.push(piece);
      return;
    }
    const odd = this.splitter.take(piece);
    if (odd !== undefined) this.readByConnect(odd);
  }

  private onEnd(): void {
    if (this.end !== undefined) return;
    const isComplete = this.trailer.has(headerGrpcStatus);
    if (!isComplete && this.stream.rstCode !== constants.NGHTTP2_NO_ERROR) {
      this.onReset();
      return;
    }
    if (!isComplete && !this.received.has(headerGrpcStatus)) {
      this.fail(new ConnectError("the answer ended before its status", Code.Unavailable));
      return;
    }
    const rest = this.splitter.rest();
    if (this.odd === undefined && rest.length > 0) this.readByConnect(rest);
    if (this.odd === undefined) this.finish();
    else this.odd.bytes.end();
  }

  private onReset(): void {
    const reason = resetReason(this.stream.rstCode) ?? new ConnectError("Premature close", Code.Internal);
    this.fail(this.parts.lost(reason));
  }

  /** Source: connect 2.2, `protocol-grpc/transport.ts`. */
  private finish(): void {
    try {
      if (!this.hasStatusInHeader) validateTrailer(this.trailer, this.received);
      this.settle("whole");
    } catch (error) {
      this.settle({ error });
    }
  }

  private fail(error: unknown): void {
    if (this.end !== undefined) return;
    this.settle({ error });
    this.answered.reject(error);
    const isCancelled = ConnectError.from(error).code === Code.Canceled;
    // Source: connect-node 2.2, `node-universal-client.ts`.
    if (!this.stream.closed)
      this.stream.close(isCancelled ? constants.NGHTTP2_CANCEL : constants.NGHTTP2_INTERNAL_ERROR);
  }

  private settle(end: End): void {
    this.end ??= end;
    this.changed();
  }

  private changed(): void {
    this.change.resolve();
    this.change = Promise.withResolvers();
  }

  private readByConnect(first: Uint8Array): void {
    const { readMaxBytes, parse } = this.parts;
    const bytes = new ByteQueue(this.stream);
    bytes.push(first);
    const messages = readMessages(bytes, null, { bytesMax: readMaxBytes, parse });
    this.odd = { bytes, messages: messages[Symbol.asyncIterator]() };
    this.changed();
  }

  /** Undefined at the end, whichever it is. */
  private async nextOdd(messages: AsyncIterator<T>): Promise<T | undefined> {
    try {
      const next = await messages.next();
      if (next.done !== true) return next.value;
      this.finish();
    } catch (error) {
      this.fail(error);
    }
    return undefined;
  }
}

function ignore(): void {
  // Whoever asks for the header is told.
}

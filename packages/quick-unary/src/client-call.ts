import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { headerGrpcStatus, validateResponseWithCompression, validateTrailer } from "@connectrpc/connect/protocol-grpc";
import type { ByteQueue } from "./byte-queue.ts";
import { OneMessage, readMessages } from "./one-message.ts";
import { QuickHeaders } from "./quick-headers.ts";
import { resetReason } from "./reset-reason.ts";

/** What a call was answered with. */
export interface ClientAnswer<T> {
  readonly message: T;
  readonly header: Headers;
  readonly trailer: Headers;
}

/** What a call has besides its stream. */
export interface ClientCallParts<T> {
  readonly readMaxBytes: number;
  readonly parse: (bytes: Uint8Array) => T;
  /** Says what an answer that was lost on its way ends the call with. */
  readonly lost: (error: ConnectError) => ConnectError;
}

const CALL = Symbol("call");

/** A stream knows its call: listeners that all calls share cost less than closures for each. */
interface CallingStream extends ClientHttp2Stream {
  [CALL]?: ClientCall<unknown> | undefined;
}

const NO_FIELDS = {};

/**
 * The answer to a unary call of gRPC on a stream of HTTP/2.
 *
 * One message behind a status of 200, before a status of 0 is an answer; whatever else comes is Connect's to judge, so that it
 * is said in the same words.
 */
export class ClientCall<T> {
  private readonly stream: ClientHttp2Stream;
  private readonly parts: ClientCallParts<T>;
  private readonly settle: {
    readonly resolve: (answer: ClientAnswer<T>) => void;
    readonly reject: (error: unknown) => void;
  };
  private readonly answer: OneMessage;
  private header = new QuickHeaders(NO_FIELDS);
  private trailer = new QuickHeaders(NO_FIELDS);
  private message: T | undefined;
  private headerError: ConnectError | undefined;
  /** Connect's, where the answer is not the one message that it should be. */
  private messages: Promise<T | undefined> | undefined;
  private isOver = false;

  constructor(
    stream: ClientHttp2Stream,
    parts: ClientCallParts<T>,
    settle: { readonly resolve: (answer: ClientAnswer<T>) => void; readonly reject: (error: unknown) => void },
  ) {
    this.stream = stream;
    this.parts = parts;
    this.settle = settle;
    this.answer = new OneMessage(stream, parts.readMaxBytes, (bytes) => this.readByConnect(bytes));
    const calling: CallingStream = stream;
    calling[CALL] = this as ClientCall<unknown>;
    stream.on("response", onResponse);
    stream.on("trailers", onTrailers);
    stream.on("data", onData);
    stream.on("end", onEnd);
    stream.on("error", onError);
    stream.on("close", onClose);
  }

  /** Ends the call with an error, and its stream. */
  fail(error: unknown): void {
    if (this.isOver) return;
    this.isOver = true;
    const { stream } = this;
    const isCancelled = ConnectError.from(error).code === Code.Canceled;
    // Source: connect-node 2.2, `node-universal-client.ts`.
    if (!stream.closed) stream.close(isCancelled ? constants.NGHTTP2_CANCEL : constants.NGHTTP2_INTERNAL_ERROR);
    this.settle.reject(error);
  }

  /** @internal for the listeners of streams. */
  onResponse(fields: IncomingHttpHeaders): void {
    if (this.isOver) return;
    this.header = new QuickHeaders(fields);
    try {
      this.headerError = validateResponseWithCompression([], Number(fields[":status"] ?? 0), this.header).headerError;
    } catch (error) {
      this.fail(error);
    }
  }

  /** @internal for the listeners of streams. */
  onTrailers(fields: IncomingHttpHeaders): void {
    this.trailer = new QuickHeaders(fields);
  }

  /** @internal for the listeners of streams. */
  onData(piece: Buffer): void {
    if (this.isOver) return;
    this.answer.take(piece);
    const bytes = this.message === undefined ? this.answer.whole : undefined;
    if (bytes === undefined) return;
    try {
      this.message = this.parts.parse(bytes);
    } catch (error) {
      this.fail(error);
    }
  }

  /** @internal for the listeners of streams. */
  onEnd(): void {
    if (this.isOver) return;
    const isComplete = this.trailer.has(headerGrpcStatus);
    if (!isComplete && this.stream.rstCode !== constants.NGHTTP2_NO_ERROR) {
      this.onReset();
      return;
    }
    if (!isComplete && !this.header.has(headerGrpcStatus)) {
      this.fail(new ConnectError("the answer ended before its status", Code.Unavailable));
      return;
    }
    if (this.answer.end() !== undefined) {
      this.finish(this.message);
      return;
    }
    this.messages?.then(
      (message) => this.finish(message),
      (error) => this.fail(error),
    );
  }

  /** @internal for the listeners of streams. */
  onError(error: Error): void {
    if (this.isOver) return;
    this.fail(this.parts.lost(asConnectError(error)));
  }

  /** @internal for the listeners of streams. */
  onClose(): void {
    if (!this.isOver && !this.stream.readableEnded) this.onReset();
  }

  private onReset(): void {
    const reason = resetReason(this.stream.rstCode) ?? new ConnectError("Premature close", Code.Internal);
    this.fail(this.parts.lost(reason));
  }

  /** Source: connect 2.2, `protocol-grpc/transport.ts`. */
  private finish(message: T | undefined): void {
    if (this.isOver) return;
    const { header, trailer, headerError } = this;
    try {
      validateTrailer(trailer, header);
      if (message === undefined)
        throw (
          headerError ??
          new ConnectError(
            "protocol error: missing output message for unary method",
            trailer.has(headerGrpcStatus) ? Code.Unimplemented : Code.Unknown,
          )
        );
      if (headerError !== undefined)
        throw new ConnectError(
          "protocol error: received output message for unary method with error status",
          Code.Unknown,
        );
    } catch (error) {
      this.fail(error);
      return;
    }
    this.isOver = true;
    this.settle.resolve({ message, header, trailer });
  }

  private readByConnect(bytes: ByteQueue): void {
    const { readMaxBytes, parse } = this.parts;
    this.messages = only(readMessages(bytes, null, { bytesMax: readMaxBytes, parse }));
    // What is wrong with them is told at once, and not when they have ended.
    this.messages.catch((error: unknown) => this.fail(error));
  }
}

/** What Node says about a stream. */
export function asConnectError(error: unknown): ConnectError {
  return error instanceof ConnectError ? error : ConnectError.from(error, Code.Internal);
}

async function only<T>(messages: AsyncIterable<T>): Promise<T | undefined> {
  let first: T | undefined;
  for await (const message of messages) {
    if (first !== undefined)
      throw new ConnectError("protocol error: received extra output message for unary method", Code.Unimplemented);
    first = message;
  }
  return first;
}

function onResponse(this: CallingStream, fields: IncomingHttpHeaders): void {
  this[CALL]?.onResponse(fields);
}

function onTrailers(this: CallingStream, fields: IncomingHttpHeaders): void {
  this[CALL]?.onTrailers(fields);
}

function onData(this: CallingStream, piece: Buffer): void {
  this[CALL]?.onData(piece);
}

function onEnd(this: CallingStream): void {
  this[CALL]?.onEnd();
}

function onError(this: CallingStream, error: Error): void {
  this[CALL]?.onError(error);
}

function onClose(this: CallingStream): void {
  const call = this[CALL];
  // Node's streams live until the next full collection of memory: what hangs on them should not.
  this[CALL] = undefined;
  call?.onClose();
}

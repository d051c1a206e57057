import type { OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  compressionNegotiate,
  envelopeCompress,
  pipe,
  transformDecompressEnvelope,
  transformParseEnvelope,
  transformSplitEnvelope,
} from "@connectrpc/connect/protocol";
import {
  contentTypeProto,
  grpcStatusOk,
  headerAcceptEncoding,
  headerEncoding,
  headerTimeout,
  parseTimeout,
  setTrailerStatus,
} from "@connectrpc/connect/protocol-grpc";
import { fieldsOf } from "./quick-headers.ts";
import { RequestBody } from "./request-body.ts";
import { type AskedTimeout, type CallParts, UnaryCall } from "./unary-call.ts";

/** Before every message: a byte of flags, and the length. */
const PREFIX_BYTES = 5;
/** Longer answers are given to the socket as they are, and shorter ones copied behind their prefix. */
const COPIED_BYTES_MAX = 16 * 1024;

const HEADER = { "content-type": contentTypeProto };
const TRAILER = { "grpc-status": grpcStatusOk };

type Negotiated = ReturnType<typeof compressionNegotiate>;
const UNCOMPRESSED: Negotiated = { request: null, response: null };

/**
 * A unary call as gRPC speaks it.
 *
 * A request that is one message, not compressed, is put together here; whatever else comes is Connect's to read, with the
 * answers that it has for it.
 */
export class GrpcCall extends UnaryCall {
  private readonly asked: AskedTimeout;
  private readonly compression: Negotiated;
  /** The message as far as it has come, once its length is known. */
  private message: Uint8Array<ArrayBuffer> | undefined;
  private messageBytes = 0;
  /** Where Connect reads. */
  private body: RequestBody | undefined;

  constructor(stream: ServerHttp2Stream, parts: CallParts) {
    const { requestHeader, method } = parts;
    const { acceptCompression, maxTimeoutMs } = method.options;
    const asked = parseTimeout(requestHeader.get(headerTimeout), maxTimeoutMs);
    super(stream, parts, { name: "grpc", asked, header: HEADER, trailer: TRAILER });
    this.asked = asked;
    const encoding = requestHeader.get(headerEncoding);
    const accepted = requestHeader.get(headerAcceptEncoding);
    this.compression =
      encoding === null && accepted === null
        ? UNCOMPRESSED
        : compressionNegotiate(acceptCompression, encoding, accepted, headerAcceptEncoding);
    if (this.compression.response !== null)
      this.context.responseHeader.set(headerEncoding, this.compression.response.name);
  }

  override begin(): void {
    super.begin();
    const error = this.compression.error ?? this.asked.error;
    if (error !== undefined) void this.workOnFailure(error);
  }

  protected take(piece: Buffer): void {
    const { message, messageBytes } = this;
    if (this.body !== undefined) this.body.push(piece);
    else if (message === undefined) this.takeFirst(piece);
    else if (messageBytes + piece.length > message.length) this.readByConnect().push(piece);
    else {
      message.set(piece, messageBytes);
      this.messageBytes += piece.length;
    }
  }

  protected taken(): void {
    const { body, message, messageBytes } = this;
    if (body !== undefined) body.end();
    else if (message !== undefined && messageBytes === message.length) this.work(message);
    else this.readByConnect().end();
  }

  protected async answer(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const { response } = this.compression;
    if (response === null) return this.send(0, bytes);
    const { flags, data } = await envelopeCompress(
      { flags: 0, data: bytes },
      response,
      this.method.options.compressMinBytes,
    );
    this.send(flags, data);
  }

  protected answerFailure(error: unknown): void {
    const { responseTrailer } = this.context;
    if (error instanceof ConnectError) setTrailerStatus(responseTrailer, error);
    else if (error !== undefined)
      setTrailerStatus(responseTrailer, new ConnectError("internal error", Code.Internal, undefined, undefined, error));
    if (this.respond(fieldsOf(this.context.responseHeader, HEADER))) this.stream.end();
  }

  protected trailers(): OutgoingHttpHeaders {
    return fieldsOf(this.context.responseTrailer, TRAILER);
  }

  private send(flags: number, bytes: Uint8Array): void {
    if (!this.respond(fieldsOf(this.context.responseHeader, HEADER))) return;
    const { stream } = this;
    const isCopied = bytes.length <= COPIED_BYTES_MAX;
    const head = Buffer.allocUnsafe(isCopied ? PREFIX_BYTES + bytes.length : PREFIX_BYTES);
    head[0] = flags;
    head.writeUInt32BE(bytes.length, 1);
    if (isCopied) {
      head.set(bytes, PREFIX_BYTES);
      stream.end(head);
    } else {
      stream.cork();
      stream.write(head);
      stream.end(bytes);
    }
  }

  private takeFirst(piece: Buffer): void {
    const bytes = piece.length - PREFIX_BYTES;
    const length = bytes < 0 ? Number.POSITIVE_INFINITY : piece.readUInt32BE(1);
    if (piece[0] !== 0 || length < bytes || length > this.method.options.readMaxBytes) {
      this.readByConnect().push(piece);
      return;
    }
    this.message = new Uint8Array(length);
    this.message.set(piece.subarray(PREFIX_BYTES));
    this.messageBytes = bytes;
  }

  /** Connect has the word, from the first byte on. */
  private readByConnect(): RequestBody {
    const body = new RequestBody(this.stream);
    const { message } = this;
    if (message !== undefined) {
      const prefix = Buffer.alloc(PREFIX_BYTES);
      prefix.writeUInt32BE(message.length, 1);
      body.push(Buffer.concat([prefix, message.subarray(0, this.messageBytes)]));
    }
    this.body = body;
    this.message = undefined;
    const { readMaxBytes } = this.method.options;
    const messages = pipe(
      body,
      transformSplitEnvelope(readMaxBytes),
      transformDecompressEnvelope(this.compression.request, readMaxBytes),
      transformParseEnvelope(this.method.input),
    );
    single(messages).then(
      (only) => this.workOn(only),
      (error) => this.workOnFailure(error),
    );
    return body;
  }
}

/** Source: connect 2.2, `invoke-implementation.ts`. */
async function single<T>(messages: AsyncIterable<T>): Promise<T> {
  const reader = messages[Symbol.asyncIterator]();
  const first = await reader.next();
  if (first.done === true)
    throw new ConnectError("protocol error: missing input message for unary method", Code.Unimplemented);
  const second = await reader.next();
  if (second.done !== true)
    throw new ConnectError("protocol error: received extra input message for unary method", Code.Unimplemented);
  return first.value;
}

import type { OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { compressionNegotiate, envelopeCompress } from "@connectrpc/connect/protocol";
import {
  contentTypeProto,
  grpcStatusOk,
  headerAcceptEncoding,
  headerEncoding,
  headerTimeout,
  parseTimeout,
  setTrailerStatus,
} from "@connectrpc/connect/protocol-grpc";
import { endWithMessage, OneMessage, readMessages } from "./one-message.ts";
import { onlyMessage } from "./only-message.ts";
import { fieldsOf } from "./quick-headers.ts";
import { type AskedTimeout, type CallParts, UnaryCall } from "./unary-call.ts";

const HEADER = { "content-type": contentTypeProto };
const TRAILER = { "grpc-status": grpcStatusOk };

type Negotiated = ReturnType<typeof compressionNegotiate>;
const UNCOMPRESSED: Negotiated = { request: null, response: null };

/** A unary call as gRPC speaks it. */
export class GrpcCall extends UnaryCall {
  /** What Connect calls methods of this kind. */
  protected readonly kind: string = "unary";
  private readonly asked: AskedTimeout;
  protected readonly compression: Negotiated;
  private readonly request: OneMessage;

  constructor(stream: ServerHttp2Stream, parts: CallParts) {
    const { requestHeader, method } = parts;
    const { acceptCompression, maxTimeoutMs } = method.options;
    const asked = parseTimeout(requestHeader.get(headerTimeout), maxTimeoutMs);
    super(stream, parts, { name: "grpc", asked, header: HEADER, trailer: TRAILER });
    this.asked = asked;
    this.request = new OneMessage(stream, method.options.readMaxBytes, (bytes) => this.readByConnect(bytes));
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
    this.request.take(piece);
  }

  protected taken(): void {
    const message = this.request.end();
    if (message !== undefined) this.work(message);
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
    if (this.respond(fieldsOf(this.context.responseHeader))) this.stream.end();
  }

  protected trailers(): OutgoingHttpHeaders {
    return fieldsOf(this.context.responseTrailer);
  }

  private send(flags: number, bytes: Uint8Array): void {
    if (!this.respond(fieldsOf(this.context.responseHeader))) return;
    endWithMessage(this.stream, flags, bytes);
  }

  private readByConnect(bytes: AsyncIterable<Uint8Array>): void {
    const { method } = this;
    const read = { bytesMax: method.options.readMaxBytes, parse: method.input.parse };
    onlyMessage(readMessages(bytes, this.compression.request, read), this.kind).then(
      (only) => this.workOn(only),
      (error) => this.workOnFailure(error),
    );
  }
}

import type { OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { compressionNegotiate, mergeNonProtocolHeaders, readAllBytes } from "@connectrpc/connect/protocol";
import {
  codeToHttpStatus,
  contentTypeUnaryJson,
  contentTypeUnaryProto,
  errorToJsonBytes,
  headerContentType,
  headerProtocolVersion,
  headerTimeout,
  headerUnaryAcceptEncoding,
  headerUnaryContentLength,
  headerUnaryEncoding,
  parseTimeout,
  protocolVersion,
  trailerMux,
} from "@connectrpc/connect/protocol-connect";
import { ByteQueue } from "./byte-queue.ts";
import { fieldsOf, QuickHeaders } from "./quick-headers.ts";
import { type AskedTimeout, type CallParts, UnaryCall } from "./unary-call.ts";

const HEADER = { "content-type": contentTypeUnaryProto };
const NO_TRAILER = {};
const STATUS_OK = 200;

type Negotiated = ReturnType<typeof compressionNegotiate>;

/**
 * A unary call as Connect speaks it over HTTP/2, with messages in binary.
 *
 * A request that is not compressed is put together here; whatever else comes is read by Connect's own means.
 */
export class ConnectCall extends UnaryCall {
  private readonly asked: AskedTimeout;
  private readonly compression: Negotiated;
  private readonly contentLength: string | null;
  private readonly pieces: Buffer[] = [];
  private bytes = 0;
  /** Where Connect reads. */
  private body: ByteQueue | undefined;

  constructor(stream: ServerHttp2Stream, parts: CallParts) {
    const { options } = parts.method;
    const { requestHeader } = parts;
    const asked = parseTimeout(requestHeader.get(headerTimeout), options.maxTimeoutMs);
    super(stream, parts, { name: "connect", asked, header: HEADER, trailer: NO_TRAILER });
    this.asked = asked;
    this.compression = compressionNegotiate(
      options.acceptCompression,
      requestHeader.get(headerUnaryEncoding),
      requestHeader.get(headerUnaryAcceptEncoding),
      headerUnaryAcceptEncoding,
    );
    this.contentLength = requestHeader.get(headerUnaryContentLength);
  }

  override begin(): void {
    super.begin();
    const error = this.versionError() ?? this.compression.error ?? this.asked.error;
    if (error !== undefined) void this.workOnFailure(error);
    else if (this.compression.request !== null || Number(this.contentLength) > this.method.options.readMaxBytes)
      this.readByConnect();
  }

  protected take(piece: Buffer): void {
    if (this.body !== undefined) {
      this.body.push(piece);
      return;
    }
    this.pieces.push(piece);
    this.bytes += piece.length;
    if (this.bytes > this.method.options.readMaxBytes) this.readByConnect();
  }

  protected taken(): void {
    if (this.body !== undefined) {
      this.body.end();
      return;
    }
    // HTTP/2 itself has made sure that there are as many bytes as were promised.
    const request = new Uint8Array(this.bytes);
    let at = 0;
    for (const piece of this.pieces) {
      request.set(piece, at);
      at += piece.length;
    }
    this.work(request);
  }

  protected answer(bytes: Uint8Array<ArrayBuffer>): Promise<void> | void {
    return this.send(STATUS_OK, bytes);
  }

  protected answerFailure(reason: unknown): Promise<void> | void {
    const error =
      reason instanceof ConnectError
        ? reason
        : new ConnectError("internal error", Code.Internal, undefined, undefined, reason);
    const { responseHeader } = this.context;
    responseHeader.set(headerContentType, contentTypeUnaryJson);
    if (!isWireError(error)) mergeNonProtocolHeaders(responseHeader, error.metadata);
    return this.send(codeToHttpStatus(error.code), errorToJsonBytes(error, this.method.options.jsonOptions));
  }

  protected trailers(): OutgoingHttpHeaders {
    return NO_TRAILER;
  }

  private async send(status: number, bytes: Uint8Array): Promise<void> {
    const { response } = this.compression;
    const { responseHeader, responseTrailer } = this.context;
    let body = bytes;
    if (response !== null && bytes.byteLength >= this.method.options.compressMinBytes) {
      body = await response.compress(new Uint8Array(bytes));
      responseHeader.set(headerUnaryEncoding, response.name);
    }
    const length = String(body.byteLength);
    const isAsItBegan = isUntouched(responseHeader) && isUntouched(responseTrailer);
    const header = isAsItBegan ? HEADER : fieldsOf(trailerMux(responseHeader, responseTrailer));
    if (this.respond({ ":status": status, ...header, "content-length": length })) this.stream.end(body);
  }

  private versionError(): ConnectError | undefined {
    if (!this.method.options.requireConnectProtocolHeader) return undefined;
    const version = this.context.requestHeader.get(headerProtocolVersion);
    if (version === protocolVersion) return undefined;
    const problem =
      version === null
        ? `missing required header: set ${headerProtocolVersion} to "${protocolVersion}"`
        : `${headerProtocolVersion} must be "${protocolVersion}": got "${version}"`;
    return new ConnectError(problem, Code.InvalidArgument);
  }

  /** Connect has the word, from the first byte on. */
  private readByConnect(): void {
    const body = new ByteQueue(this.stream);
    this.body = body;
    for (const piece of this.pieces.splice(0)) body.push(piece);
    this.readMessage(body).then(
      (request) => this.work(request),
      (error) => this.workOnFailure(error),
    );
  }

  private async readMessage(body: ByteQueue): Promise<Uint8Array> {
    const { readMaxBytes } = this.method.options;
    const { request } = this.compression;
    const bytes = await readAllBytes(body, readMaxBytes, this.contentLength);
    return request === null ? bytes : request.decompress(bytes, readMaxBytes);
  }
}

function isUntouched(headers: Headers): boolean {
  return headers instanceof QuickHeaders && headers.isUntouched;
}

/** True for an error that came from another server; its metadata is that server's. Connect tells nobody but itself. */
function isWireError(error: ConnectError): boolean {
  return "isWireError" in error && error.isWireError === true;
}

import type { Http2Server, IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { DescMethod } from "@bufbuild/protobuf";
import type { UnaryCodec } from "./codec.ts";
import { ConnectCall } from "./connect-call.ts";
import { Deadlines } from "./deadlines.ts";
import { GrpcCall } from "./grpc-call.ts";
import { GrpcStreamCall } from "./grpc-stream-call.ts";
import { QuickHeaders } from "./quick-headers.ts";
import { QuickMethod } from "./quick-method.ts";
import type { ShortRoute } from "./record-routes.ts";
import type { StreamCodec } from "./stream-codec.ts";
import type { CallParts, UnaryCall } from "./unary-call.ts";

/** Told of every answer that could not be sent: most often its caller broke off. */
export type ReportUnsent = (unsent: { readonly method: string; readonly error: unknown }) => void;

export interface QuickUnaryOptions {
  /** From `recordRoutes`. Where a path comes twice, the last one counts. */
  readonly routes: readonly ShortRoute[];
  readonly codecs?: readonly UnaryCodec[];
  readonly streamCodecs?: readonly StreamCodec[];
  readonly reportUnsent: ReportUnsent;
}

/** Serves a stream, or gives false and has not touched it. */
export type TakesStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => boolean;

/**
 * Takes the streams that are ordinary calls of the routes with binary messages: unary ones in gRPC or Connect, and those that
 * are answered with a stream in gRPC.
 */
export function quickUnary({ routes, codecs = [], streamCodecs = [], reportUnsent }: QuickUnaryOptions): TakesStream {
  const codecOf = new Map<DescMethod, UnaryCodec>(codecs.map((codec) => [codec.method, codec]));
  const streamCodecOf = new Map<DescMethod, StreamCodec>(streamCodecs.map((codec) => [codec.method, codec]));
  const methods = new Map<string, KnownMethod>();
  for (const route of routes) {
    const method = new QuickMethod(route, codecOf.get(route.spec.method));
    methods.set(method.path, {
      method,
      streamCodec: streamCodecOf.get(route.spec.method),
      reportUnsent: (error) => reportUnsent({ method: method.name, error }),
    });
  }
  const deadlines = new Deadlines();
  return (stream, headers) => {
    const known = methods.get(headers[":path"] ?? "");
    if (known === undefined || headers[":method"] !== "POST" || headers.expect !== undefined) return false;
    const { method } = known;
    const { requestGate, shutdownSignal } = method.options;
    if (requestGate !== undefined || shutdownSignal !== undefined) return false;
    const call = callOf(headers["content-type"], known);
    const authority = headers[":authority"];
    if (call === undefined || authority === undefined || stream.destroyed) return false;
    const url = method.urlAt(authority);
    if (url === undefined) return false;
    call(
      stream,
      {
        method,
        url,
        requestHeader: new QuickHeaders(headers),
        deadlines,
        reportUnsent: known.reportUnsent,
      },
      known,
    ).begin();
    return true;
  };
}

interface KnownMethod {
  readonly method: QuickMethod;
  readonly streamCodec: StreamCodec | undefined;
  readonly reportUnsent: (error: unknown) => void;
}

type BeginsCall = (stream: ServerHttp2Stream, parts: CallParts, known: KnownMethod) => UnaryCall;

const unaryGrpc: BeginsCall = (stream, parts) => new GrpcCall(stream, parts);
const streamGrpc: BeginsCall = (stream, parts, { streamCodec }) => new GrpcStreamCall(stream, parts, streamCodec);
const unaryConnect: BeginsCall = (stream, parts) => new ConnectCall(stream, parts);

function callOf(contentType: string | undefined, { method: { route } }: KnownMethod): BeginsCall | undefined {
  const { protocols } = route;
  const isUnary = route.spec.kind === "unary";
  switch (contentType) {
    case "application/grpc":
    case "application/grpc+proto":
      if (!protocols.grpc) return undefined;
      return isUnary ? unaryGrpc : streamGrpc;
    case "application/proto":
      return protocols.connect && isUnary ? unaryConnect : undefined;
    default:
      return undefined;
  }
}

/**
 * Gives a server's streams to whoever takes them first: after this, only those that are not taken come to the server's
 * listeners, the listener for requests among them, which makes a request and a response of each stream.
 */
export function takeStreams(server: Http2Server, take: TakesStream): void {
  const rest = server.listeners("stream");
  server.removeAllListeners("stream");
  server.on("stream", (stream, headers, flags, rawHeaders) => {
    if (take(stream, headers)) return;
    for (const listener of rest) listener.call(server, stream, headers, flags, rawHeaders);
  });
}

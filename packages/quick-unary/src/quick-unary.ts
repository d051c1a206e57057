import type { Http2Server, IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { UnaryCodec } from "./codec.ts";
import { ConnectCall } from "./connect-call.ts";
import { Deadlines } from "./deadlines.ts";
import { GrpcCall } from "./grpc-call.ts";
import { QuickHeaders } from "./quick-headers.ts";
import { QuickMethod } from "./quick-method.ts";
import type { UnaryRoute } from "./record-routes.ts";
import type { CallParts } from "./unary-call.ts";

/** Told of every answer that could not be sent: most often its caller broke off. */
export type ReportUnsent = (unsent: { readonly method: string; readonly error: unknown }) => void;

export interface QuickUnaryOptions {
  /** From `recordRoutes`. Where a path comes twice, the last one counts. */
  readonly routes: readonly UnaryRoute[];
  readonly codecs?: readonly UnaryCodec[];
  readonly reportUnsent: ReportUnsent;
}

/** Serves a stream, or gives false and has not touched it. */
export type TakesStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => boolean;

/** Takes the streams that are ordinary unary calls, in gRPC or Connect with binary messages, of the routes. */
export function quickUnary({ routes, codecs = [], reportUnsent }: QuickUnaryOptions): TakesStream {
  const codecOf = new Map(codecs.map((codec) => [codec.method, codec]));
  const methods = new Map<string, { readonly method: QuickMethod; readonly reportUnsent: (error: unknown) => void }>();
  for (const route of routes) {
    const method = new QuickMethod(route, codecOf.get(route.spec.method));
    methods.set(method.path, { method, reportUnsent: (error) => reportUnsent({ method: method.name, error }) });
  }
  const deadlines = new Deadlines();
  return (stream, headers) => {
    const known = methods.get(headers[":path"] ?? "");
    if (known === undefined || headers[":method"] !== "POST" || headers.expect !== undefined) return false;
    const { method } = known;
    const { requestGate, shutdownSignal } = method.options;
    if (requestGate !== undefined || shutdownSignal !== undefined) return false;
    const Call = callOf(headers["content-type"], method);
    const authority = headers[":authority"];
    if (Call === undefined || authority === undefined || stream.destroyed) return false;
    const url = method.urlAt(authority, headers[":scheme"] === "https" ? "https" : "http");
    if (url === undefined) return false;
    new Call(stream, {
      method,
      url,
      requestHeader: new QuickHeaders(headers),
      deadlines,
      reportUnsent: known.reportUnsent,
    }).begin();
    return true;
  };
}

type CallClass = new (stream: ServerHttp2Stream, parts: CallParts) => GrpcCall | ConnectCall;

function callOf(contentType: string | undefined, { route: { protocols } }: QuickMethod): CallClass | undefined {
  switch (contentType) {
    case "application/grpc":
    case "application/grpc+proto":
      return protocols.grpc ? GrpcCall : undefined;
    case "application/proto":
      return protocols.connect ? ConnectCall : undefined;
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

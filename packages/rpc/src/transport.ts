import type { OutgoingHttpHeaders } from "node:http2";
import { type CallCodec, type QuickTransportOptions, quickStreamCalls, quickUnaryCalls } from "@bank/quick-unary";
import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import { createTransport } from "@connectrpc/connect/protocol-grpc";
import { createNodeHttpClient } from "@connectrpc/connect-node";
import { ConnectionKeeper } from "./connection-keeper.ts";
import { lostAnswer, withLostAnswers } from "./lost-answers.ts";
import { REPLY_BYTES_MAX } from "./serve.ts";
import type { ConnectionLimits } from "./server-connection.ts";

/** Requests are longer only where a server refuses them. */
const WRITE_BYTES_MAX = 0xffff_ffff;

const DEFAULT_LIMITS: ConnectionLimits = { pingIntervalMs: 10_000, pingTimeoutMs: 5_000, connectTimeoutMs: 5_000 };

/**
 * For who has other servers to go to: one that is silent is left within 2.8 s. A server whose event loop stands still for
 * less than 1.5 s is never taken for silent, nor one to which a line is slow. One that gets no processor for longer is: its calls
 * go on elsewhere under their request ids.
 */
export const WATCHFUL_LIMITS: ConnectionLimits = {
  pingIntervalMs: 1_000,
  pingTimeoutMs: 1_500,
  connectTimeoutMs: 2_000,
  // One that was idle for a moment is there mostly, and every call would wait for the ping.
  trustedIdleMs: DEFAULT_LIMITS.pingIntervalMs,
};

/**
 * Limits of the connections to a server, in milliseconds.
 *
 * - `pingIntervalMs`, 10 s: while it has calls, a connection is pinged when nothing came over it for so long; one that was
 *   idle for longer is pinged before its next call, unless `trustedIdleMs` says otherwise.
 * - `pingTimeoutMs`, 5 s: a connection over which nothing came for so long after a ping is dead. Its calls end with
 *   `UNAVAILABLE`. Behind much that was sent, a ping has up to 5 s more.
 * - `connectTimeoutMs`, 5 s: within this the name is resolved, the connection is made and the server has said its first
 *   word. Otherwise every call that waits for it ends with `UNAVAILABLE`; none of them has been sent. A shorter one doubles
 *   with each connection that was not made in time, up to 5 s, until one is made.
 */
export interface ConnectOptions extends Partial<ConnectionLimits> {
  /** See every call before it is sent. */
  readonly interceptors?: readonly Interceptor[];
  /**
   * False if Connect's transport shall make unary calls too, and those that are answered with a stream, as it makes all
   * others; true by default. Their outcomes are the same, at several times the cost.
   */
  readonly quickUnary?: boolean;
  /** Of unary calls whose messages are not written and read in the generated way, where `quickUnary` is on. Default: none. */
  readonly codecs?: readonly CallCodec[];
}

/** A connection to one server, and how to end it. */
export interface ServerConnection {
  readonly transport: Transport;
  /**
   * Drops the connection and every call on it now, also calls that still wait for it: they end with `UNAVAILABLE`. The
   * next call opens a new one. For a caller who knows by its own heartbeats that the way to the server is dead.
   *
   * @param reason for people; the message of the calls' errors.
   */
  reset(reason: string): void;
  /** Ends the connection and every call on it: they end with `CANCELED`. */
  close(): void;
}

/**
 * Speaks gRPC over HTTP/2 to `url`, such as `http://127.0.0.1:50051`. Connects with the first call, and anew when lost.
 *
 * A call whose answer was lost ends with `UNAVAILABLE`, however the connection broke. If its error's cause has the
 * `syscall` `connect` or `getaddrinfo`, it was never sent.
 */
export function connectToServer(url: string, options: ConnectOptions = {}): ServerConnection {
  const { interceptors = [], quickUnary = true, codecs = [], ...limits } = options;
  const keeper = new ConnectionKeeper(url, { ...DEFAULT_LIMITS, ...limits });
  const client = createNodeHttpClient({ httpVersion: "2", sessionProvider: () => keeper });
  const isOwn = (error: ConnectError) => keeper.isOwn(error);
  const limitsOfMessages = { readMaxBytes: REPLY_BYTES_MAX, writeMaxBytes: WRITE_BYTES_MAX };
  const transport = createTransport({
    baseUrl: url,
    httpClient: withLostAnswers(client, isOwn),
    useBinaryFormat: true,
    interceptors: [...interceptors],
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: 0,
    ...limitsOfMessages,
  });
  const quick = {
    origin: keeper.authority,
    interceptors,
    ...limitsOfMessages,
    codecs,
    open: (path: string, headers: OutgoingHttpHeaders) => keeper.request("POST", path, headers, {}),
    lost: (error: ConnectError) => (isOwn(error) ? error : lostAnswer(error)),
  } satisfies QuickTransportOptions;
  const unary = quickUnaryCalls(quick);
  const stream = quickStreamCalls(quick, transport.stream);
  return {
    transport: quickUnary ? { unary, stream } : transport,
    reset: (reason) => keeper.drop(new ConnectError(reason, Code.Unavailable)),
    close: () => keeper.drop(new ConnectError("the connection was closed", Code.Canceled)),
  };
}

/** `HOST:PORT`, or a URL, as a URL. Throws: `TypeError` for anything else. */
export function serverUrl(text: string): string {
  const url = new URL(/^https?:\/\//.test(text) ? text : `http://${text}`);
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "")
    throw new TypeError(`${text} is not HOST:PORT or http://HOST:PORT`);
  return url.origin;
}

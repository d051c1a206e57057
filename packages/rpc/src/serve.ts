import { createServer as createHttp1Server, type Server } from "node:http";
import { createServer as createHttp2Server, type ServerHttp2Session } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { assert, COMMANDS_PER_CALL_MAX, FRAME_BYTES_MAX } from "@bank/core";
import { quickUnary, type ReportUnsent, recordRoutes, takeStreams, type UnaryCodec } from "@bank/quick-unary";
import { type ConnectRouter, createConnectRouter, type Interceptor } from "@connectrpc/connect";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import { CONNECTION_WINDOW_BYTES, STREAM_WINDOW_BYTES } from "./flow-windows.ts";
import { followCodec } from "./follow-codec.ts";
import { errorInterceptor, type ReportIncident, validationInterceptor } from "./interceptors.ts";
import { requestListener } from "./request-listener.ts";
import { type WatchOptions, watchClient } from "./watch-client.ts";

/** Requests larger than this are refused before they are decoded. */
export const REQUEST_BYTES_MAX = 4 * 1024 * 1024;
/**
 * What a branch gathers into one call may be larger: as many small commands as a call can have, each with the longest
 * texts and session token, or several customers' calls as they are.
 */
export const SUBMIT_BYTES_MAX = 16 * 1024 * 1024;
/** A forwarded deposit, withdrawal or transfer, with three texts, a UUID and a token of 16 epochs. */
export const SMALL_COMMAND_BYTES_MAX = 1_200;
assert(COMMANDS_PER_CALL_MAX * SMALL_COMMAND_BYTES_MAX < SUBMIT_BYTES_MAX, "a full call of a branch is taken");
assert(REQUEST_BYTES_MAX + SMALL_COMMAND_BYTES_MAX < SUBMIT_BYTES_MAX, "a customer's call is taken as a whole");
/** Longer replies, and longer messages of streams, are refused by those who asked. */
export const REPLY_BYTES_MAX = 64 * 1024 * 1024;
/** The longest result of a command: an account with all its texts. */
const RESULT_BYTES_MAX = 4_800;
assert(COMMANDS_PER_CALL_MAX * RESULT_BYTES_MAX < REPLY_BYTES_MAX, "the results of a full call are taken");
assert(2 * FRAME_BYTES_MAX < REPLY_BYTES_MAX, "a frame is taken, with the little that comes along");
/** No call may ask for a longer deadline; streams have none. */
const TIMEOUT_MAX_MS = 5 * 60_000;
/** A connection that has not said which protocol it speaks by then is closed. */
const FIRST_BYTES_TIMEOUT_MS = 10_000;
/**
 * Clients close idle connections after 15 minutes by themselves; so does the server a little later, for those that do not.
 * A client that has calls under way and is silent is pinged after 10 s, and given up 10 s later.
 */
const CLIENT_WATCH: WatchOptions = { pingIntervalMs: 10_000, pingTimeoutMs: 10_000, idleMaxMs: 20 * 60_000 };
/** After so long without a byte the system itself asks whether the other end is there: over HTTP/1 nothing else can. */
const TCP_KEEP_ALIVE_MS = 60_000;
/** With more than this waiting to be sent over one connection, it takes no more calls. Node's default is one large answer. */
const CONNECTION_MEMORY_MB = 128;
/**
 * Calls and streams that may be open on one connection: more than our clients and branches have, whose heartbeats must not wait
 * behind calls. Beyond that clients of HTTP/2, which are told of it, send the next one when one has ended.
 */
export const CALLS_PER_CONNECTION_MAX = 16_384;
/** What every HTTP/2 connection begins with; HTTP/1 has no such method. Source: RFC 9113, section 3.4. */
const HTTP2_PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
/** No method of HTTP/1 begins with as many bytes of the preface. */
const TELLING_BYTES = 3;

export interface ServeOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /**
   * @param ending aborts when the server begins to close. Endless streams must end then; calls are waited for, so that
   * what is under way still gets its answer.
   */
  readonly routes: (router: ConnectRouter, ending: AbortSignal) => void;
  readonly reportIncident: ReportIncident;
  readonly reportUnsent: ReportUnsent;
  /** What else sees every call, before its message is looked at. It may throw `RefusalError`. */
  readonly interceptors?: readonly Interceptor[];
  /**
   * False if Connect's adapter shall serve unary calls too, and those that are answered with a stream, as it serves all others;
   * true by default. Answers are the same, and cost ten times as much.
   */
  readonly quickUnary?: boolean;
  /**
   * How messages are read and written, for methods where the generated way is too slow: whose messages are large, or come in great
   * numbers. Only calls of the quick way know them.
   */
  readonly codecs?: readonly UnaryCodec[];
  /** `CALLS_PER_CONNECTION_MAX`, unless a test says another. */
  readonly callsPerConnectionMax?: number;
  /** When a client counts as gone; for tests. */
  readonly watch?: Partial<WatchOptions>;
}

/** A listening server. */
export interface Serving {
  readonly host: string;
  readonly port: number;
  /** `http://host:port`. */
  readonly url: string;
  /** Ends streams, lets calls that are under way finish, and resolves when the port is free. Idempotent. */
  close(): Promise<void>;
}

/**
 * Serves gRPC, gRPC-Web and Connect, over HTTP/2 without TLS and HTTP/1.1, on one port.
 * Rejects with the system's error when the address cannot be listened on.
 */
export async function serve(options: ServeOptions): Promise<Serving> {
  const ending = new AbortController();
  const routeOptions = {
    interceptors: [errorInterceptor(options.reportIncident), ...(options.interceptors ?? []), validationInterceptor()],
    readMaxBytes: REQUEST_BYTES_MAX,
    acceptCompression: [compressionGzip, compressionBrotli],
    // Compressing a reply costs more than the ledger's work on it; compressed requests are still understood.
    compressMinBytes: Number.MAX_SAFE_INTEGER,
    maxTimeoutMs: TIMEOUT_MAX_MS,
  };
  const recorded = recordRoutes(createConnectRouter(routeOptions), routeOptions);
  options.routes(recorded.router, ending.signal);
  const { reportUnsent, codecs = [] } = options;
  const handler = requestListener(recorded.router, reportUnsent);
  const settings = {
    initialWindowSize: STREAM_WINDOW_BYTES,
    maxConcurrentStreams: options.callsPerConnectionMax ?? CALLS_PER_CONNECTION_MAX,
  };
  const http2 = createHttp2Server({ settings, maxSessionMemory: CONNECTION_MEMORY_MB }, handler);
  const quick = { routes: recorded.routes, codecs, streamCodecs: [followCodec()], reportUnsent };
  if (options.quickUnary ?? true) takeStreams(http2, quickUnary(quick));
  const sessions = new Set<ServerHttp2Session>();
  http2.on("session", (session) => {
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    // A connection that breaks tells its streams; nothing else is to be done about it here.
    session.on("error", () => session.destroy());
  });
  const serveHttp2 = (socket: Socket) => {
    const watch = (session: ServerHttp2Session) => watchClient(session, socket, { ...CLIENT_WATCH, ...options.watch });
    // A session knows its socket only as something that it must not destroy. It is made while this is told.
    http2.once("session", watch);
    http2.emit("connection", socket);
    http2.removeListener("session", watch);
  };
  const tcp = { keepAlive: true, keepAliveInitialDelay: TCP_KEEP_ALIVE_MS };
  // The HTTP/1 server owns the port: only while it listens does it enforce its time limits and know its idle connections.
  const server = createHttp1Server(tcp, (request, response) => {
    response.once("close", () => {
      if (ending.signal.aborted) server.closeIdleConnections();
    });
    handler(request, response);
  });
  const serveHttp1 = server.listeners("connection");
  server.removeAllListeners("connection");
  const sockets = new Set<Socket>();
  /** Those that have not said which protocol they speak. */
  const silent = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    silent.add(socket);
    socket.once("close", () => {
      sockets.delete(socket);
      silent.delete(socket);
    });
    whenProtocolIsKnown(socket, (isHttp2) => {
      silent.delete(socket);
      if (isHttp2) serveHttp2(socket);
      else for (const listener of serveHttp1) listener.call(server, socket);
    });
  });
  await listen(server, options);
  const { port } = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    host: options.host,
    port,
    url: `http://${options.host.includes(":") ? `[${options.host}]` : options.host}:${port}`,
    close: () => {
      closing ??= closeServer({ server, sessions, sockets, silent, ending });
      return closing;
    },
  };
}

/** Tells which protocol a connection speaks once its first bytes show that, with the bytes unread again. */
function whenProtocolIsKnown(socket: Socket, serveIt: (isHttp2: boolean) => void): void {
  const giveUp = () => socket.destroy();
  socket.on("error", giveUp);
  socket.setTimeout(FIRST_BYTES_TIMEOUT_MS, giveUp);
  // Whoever hangs up now is not waited for; HTTP/1 may say later that it has sent all its requests.
  socket.allowHalfOpen = false;
  // Kept here until it is known: what is unread again at once would be readable again at once, for ever.
  let head = Buffer.alloc(0);
  const onReadable = () => {
    const bytes: Buffer | null = socket.read();
    if (bytes === null) return;
    head = Buffer.concat([head, bytes]);
    const couldBeHttp2 = HTTP2_PREFACE.subarray(0, head.length).equals(head.subarray(0, HTTP2_PREFACE.length));
    if (couldBeHttp2 && head.length < TELLING_BYTES) return;
    socket.removeListener("readable", onReadable);
    socket.removeListener("error", giveUp);
    socket.removeListener("timeout", giveUp);
    socket.setTimeout(0);
    socket.allowHalfOpen = !couldBeHttp2;
    socket.unshift(head);
    serveIt(couldBeHttp2);
  };
  socket.on("readable", onReadable);
}

function listen(server: Server, { host, port }: ServeOptions): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
}

/** How long calls that are under way may take to end. */
const CLOSE_GRACE_MS = 5_000;

async function closeServer(parts: {
  readonly server: Server;
  readonly sessions: ReadonlySet<ServerHttp2Session>;
  readonly sockets: ReadonlySet<Socket>;
  readonly silent: ReadonlySet<Socket>;
  readonly ending: AbortController;
}): Promise<void> {
  const { server, sessions, sockets, silent, ending } = parts;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  ending.abort(new Error("the server is shutting down"));
  for (const session of sessions) session.close();
  for (const socket of silent) socket.destroy();
  const grace = setTimeout(() => {
    for (const socket of sockets) socket.destroy();
  }, CLOSE_GRACE_MS);
  await closed;
  clearTimeout(grace);
}

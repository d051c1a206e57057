import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { REPLY_BYTES_MAX } from "./serve.ts";

/** Between two pings on a connection with open calls. One that was idle for longer is pinged before its next call. */
const PING_INTERVAL_MS = 10_000;
/** A connection that does not answer a ping by then is dead. */
const PING_TIMEOUT_MS = 5_000;

/** A connection to one server, and how to end it. */
export interface ServerConnection {
  readonly transport: Transport;
  /** Ends the connection and every call on it. */
  close(): void;
}

/** Speaks gRPC over HTTP/2 to `url`, such as `http://127.0.0.1:50051`. Connects with the first call, and anew when lost. */
export function connectToServer(url: string): ServerConnection {
  const sessionManager = new GuardedSessionManager(url, {
    pingIntervalMs: PING_INTERVAL_MS,
    pingTimeoutMs: PING_TIMEOUT_MS,
    // Pings of idle connections go on after `close` if calls were under way, and then throw where nobody can catch it.
    pingIdleConnection: false,
  });
  return {
    transport: createGrpcTransport({
      baseUrl: url,
      sessionManager,
      readMaxBytes: REPLY_BYTES_MAX,
      acceptCompression: [],
    }),
    close: () => sessionManager.abort(),
  };
}

/**
 * Connect takes its listeners off a connection that is aborted, and a broken one may tell of its error only then; an
 * error that nobody listens to would end the process. Every error has been told to the calls by then.
 */
class GuardedSessionManager extends Http2SessionManager {
  override async request(
    ...args: Parameters<Http2SessionManager["request"]>
  ): ReturnType<Http2SessionManager["request"]> {
    const stream = await super.request(...args);
    const { session } = stream;
    if (session !== undefined && session.listenerCount("error", ignore) === 0) session.on("error", ignore);
    return stream;
  }
}

const ignore = () => undefined;

/** `HOST:PORT`, or a URL, as a URL. Throws: `TypeError` for anything else. */
export function serverUrl(text: string): string {
  const url = new URL(/^https?:\/\//.test(text) ? text : `http://${text}`);
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "")
    throw new TypeError(`${text} is not HOST:PORT or http://HOST:PORT`);
  return url.origin;
}

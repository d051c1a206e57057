import type { ClientHttp2Stream } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import type { NodeHttpClientOptions } from "@connectrpc/connect-node";
import { type ConnectionLimits, Http2Connection } from "./server-connection.ts";

/** What Connect asks for streams. */
type SessionManager = ReturnType<
  NonNullable<Extract<NodeHttpClientOptions, { readonly httpVersion: "2" }>["sessionProvider"]>
>;

/** The time to connect doubles up to this, unless it is longer anyway. */
const CONNECT_TIMEOUT_MAX_MS = 5_000;
/** A call tries so many connections that take no call although they opened. */
const CONNECTIONS_PER_CALL_MAX = 3;

/**
 * Gives every call a connection to one server: the one that there is, or a new one. At most one takes calls; others that
 * the server asked to leave may still have some.
 *
 * Instead of Connect's `Http2SessionManager`, which has no limit on the time to connect, whose errors say cancelled or
 * aborted where a connection was lost, and which ends the process where an idle connection gets a GOAWAY at the wrong
 * moment. Source: connect-es, issue 1768.
 */
export class ConnectionKeeper implements SessionManager {
  readonly authority: string;
  private limits: ConnectionLimits;
  /** Of the next connection. */
  private connectTimeoutMs: number;
  /** Takes calls, or will. */
  private current: Http2Connection | undefined;
  /** Whatever is not over. */
  private readonly connections = new Set<Http2Connection>();
  private readonly ownErrors = new WeakSet<ConnectError>();
  /** Aborts when everything is dropped, calls that wait for a connection included. */
  private dropping = new AbortController();

  constructor(url: string, limits: ConnectionLimits) {
    this.authority = new URL(url).origin;
    this.limits = limits;
    this.connectTimeoutMs = limits.connectTimeoutMs;
  }

  /** Rejects with `ConnectError`; nothing has been sent then. */
  async request(
    ...[method, path, headers, options]: Parameters<SessionManager["request"]>
  ): Promise<ClientHttp2Stream> {
    const { signal } = this.dropping;
    for (let i = 0; i < CONNECTIONS_PER_CALL_MAX; i++) {
      const connection = await this.ready();
      if (signal.aborted) throw signal.reason;
      const stream = connection?.request({ ...headers, ":method": method, ":path": path }, options);
      if (stream !== undefined) return stream;
    }
    throw this.own(new ConnectError("the server takes no calls", Code.Unavailable));
  }

  notifyResponseByteRead(): void {
    // Every connection counts the bytes that come by itself.
  }

  /** Whether an error was made here: it says what it should. */
  isOwn(error: ConnectError): boolean {
    return this.ownErrors.has(error);
  }

  /** Ends every connection and every call with the error, now. Later calls open a new one. */
  drop(error: ConnectError): void {
    this.own(error);
    this.dropping.abort(error);
    this.dropping = new AbortController();
    for (const connection of this.connections) connection.end(error);
  }

  /** Undefined where the one that there was has just been found dead. */
  private async ready(): Promise<Http2Connection | undefined> {
    this.current ??= this.connect();
    const connection = this.current;
    await connection.opened;
    const { pingIntervalMs, trustedIdleMs = pingIntervalMs } = this.limits;
    if (!connection.isQuestionable(trustedIdleMs)) return connection;
    return (await connection.isAlive()) ? connection : undefined;
  }

  private connect(): Http2Connection {
    const connection: Http2Connection = new Http2Connection({
      url: this.authority,
      limits: { ...this.limits, connectTimeoutMs: this.connectTimeoutMs },
      onOpen: () => {
        this.connectTimeoutMs = this.limits.connectTimeoutMs;
      },
      onLeave: (isPingedTooOften) => {
        if (this.current === connection) this.current = undefined;
        const { pingIntervalMs } = this.limits;
        if (isPingedTooOften) this.limits = { ...this.limits, pingIntervalMs: 2 * pingIntervalMs };
      },
      onOver: (reason, wasLate) => {
        // The way there may be that long: it is not for ever given up too soon.
        if (wasLate)
          this.connectTimeoutMs = Math.max(
            this.connectTimeoutMs,
            Math.min(CONNECT_TIMEOUT_MAX_MS, 2 * this.connectTimeoutMs),
          );
        this.own(reason);
        this.connections.delete(connection);
      },
    });
    this.connections.add(connection);
    return connection;
  }

  private own(error: ConnectError): ConnectError {
    this.ownErrors.add(error);
    return error;
  }
}

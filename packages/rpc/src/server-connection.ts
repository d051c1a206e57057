import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2, constants } from "node:http2";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { Code, ConnectError } from "@connectrpc/connect";
import { CONNECTION_WINDOW_BYTES, STREAM_WINDOW_BYTES } from "./flow-windows.ts";
import { KeepAlive, type PingOptions } from "./keep-alive.ts";

/** Limits of a connection to a server. */
export interface ConnectionLimits extends PingOptions {
  /** Names are resolved, TCP and TLS are connected, and the server has said its first word, by then. */
  readonly connectTimeoutMs: number;
  /** A connection without calls is pinged before its next one when nothing came for so long. Default: `pingIntervalMs`. */
  readonly trustedIdleMs?: number;
}

/** An idle connection is closed after this. */
const IDLE_MAX_MS = 15 * 60_000;
/** What a server says when it is pinged too often. Source: gRPC proposal A8. */
const TOO_MANY_PINGS = Buffer.from("too_many_pings", "ascii");

const ANSWERED = Symbol("answered");

/** The other end of a connection has said nothing for too long. */
class SilenceError extends Error {
  override readonly name = "SilenceError";
}

/** Whether a call ended because its server is silent: one that is tried there again at once would only wait again. */
export function isSilence(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) if (cause instanceof SilenceError) return true;
  return false;
}

/** A stream knows whether its answer has begun. */
interface AskedStream extends ClientHttp2Stream {
  [ANSWERED]?: true;
}

/**
 * - `connecting`: until the server's first SETTINGS; no call is sent before, so that what fails here was never asked.
 * - `open`: takes calls.
 * - `leaving`: the server said GOAWAY, or it was idle for too long. Takes no calls; those that it has go on.
 * - `over`: every call has ended. There is no way back from here.
 */
type State = "connecting" | "open" | "leaving" | "over";

/**
 * One HTTP/2 connection to a server, from its first byte to its last.
 *
 * Node ends the calls of a connection that breaks in various words: cancelled where the server hung up, aborted where it
 * was reset. Here they are told first, and in one way, whatever happens: `UNAVAILABLE`.
 */
export class Http2Connection {
  /** Resolves when it takes calls. Rejects with `ConnectError` when it never will. */
  readonly opened: Promise<void>;
  private readonly session: ClientHttp2Session;
  private readonly socket: Socket;
  private readonly keepAlive: KeepAlive;
  private readonly onLeave: (isPingedTooOften: boolean) => void;
  private readonly onOpen: () => void;
  private readonly onOver: (reason: ConnectError, wasLate: boolean) => void;
  private readonly streams = new Set<AskedStream>();
  /** One for all streams: Node keeps what listens to a stream for longer than the stream. */
  private readonly onStreamClose: (this: AskedStream) => void;
  private readonly settleOpened: { readonly resolve: () => void; readonly reject: (reason: ConnectError) => void };
  private state: State = "connecting";
  /** Until it is open: of connecting. While it is idle: of being idle. */
  private timer: NodeJS.Timeout | undefined;

  constructor(options: {
    readonly url: string;
    readonly limits: ConnectionLimits;
    /** Called once, when it takes calls. */
    readonly onOpen: () => void;
    /** Called once, when it takes no more calls. */
    readonly onLeave: (isPingedTooOften: boolean) => void;
    /** Called once, after `onLeave`, with what its calls end with, and whether it was not made in time. */
    readonly onOver: (reason: ConnectError, wasLate: boolean) => void;
  }) {
    const { url, limits, onOpen, onLeave, onOver } = options;
    this.onOpen = onOpen;
    this.onLeave = onLeave;
    this.onOver = onOver;
    const closed = (stream: AskedStream) => this.closed(stream);
    this.onStreamClose = function onClose() {
      closed(this);
    };
    const opened = Promise.withResolvers<void>();
    this.opened = opened.promise;
    this.settleOpened = opened;
    // Whoever waits for it is told; nobody may be waiting.
    opened.promise.catch(ignore);
    const socket = openSocket(new URL(url));
    this.socket = socket;
    // Before Node's own listeners, which end the calls in their own words.
    socket.on("error", (error) => this.end(this.broken(error)));
    socket.on("close", () => this.end(this.broken(undefined)));
    this.session = connectHttp2(url, {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: STREAM_WINDOW_BYTES },
    });
    this.keepAlive = new KeepAlive({ session: this.session, socket }, limits, () => {
      const words = "the server does not answer a ping any more";
      this.end(new ConnectError(words, Code.Unavailable, undefined, undefined, new SilenceError(words)));
    });
    // For ever: a connection tells of its error after its end, too, and an error that nobody hears ends the process.
    this.session.on("error", (error) => this.end(this.broken(error)));
    this.session.on("close", () => this.end(this.broken(undefined)));
    this.session.on("goaway", (code, _lastStream, data) => this.leaveFor(code, data));
    this.session.once("remoteSettings", () => this.open());
    const { connectTimeoutMs } = limits;
    this.timer = setTimeout(() => this.end(connectingTimedOut(connectTimeoutMs), true), connectTimeoutMs);
  }

  /** Whether nothing was heard for so long that it should be asked before it is given a call. */
  isQuestionable(silentMaxMs: number): boolean {
    return this.streams.size === 0 && this.keepAlive.silentMs() > silentMaxMs;
  }

  /** Whether the server is there. If not, the connection is over. */
  async isAlive(): Promise<boolean> {
    this.session.ref();
    const isThere = await this.keepAlive.isThere();
    if (this.streams.size === 0) this.session.unref();
    return isThere && this.state === "open";
  }

  /** Opens a stream. Undefined where the connection takes none any more. */
  request(...args: Parameters<ClientHttp2Session["request"]>): ClientHttp2Stream | undefined {
    // Node ends a session that breaks the protocol at once, and tells of it only later.
    if (this.session.destroyed) this.end(this.broken(undefined));
    if (this.session.closed) this.leave(false);
    if (this.state !== "open") return undefined;
    const stream: AskedStream = this.session.request(...args);
    if (this.streams.size === 0) {
      clearTimeout(this.timer);
      this.session.ref();
      this.keepAlive.start();
    }
    this.streams.add(stream);
    stream.on("response", noteAnswer);
    // Nobody else listens yet.
    stream.on("error", ignore);
    stream.on("close", this.onStreamClose);
    return stream;
  }

  /** Ends it and every call on it, now. Idempotent. */
  end(reason: ConnectError, wasLate = false): void {
    if (this.state === "over") return;
    const before = this.state;
    this.state = "over";
    clearTimeout(this.timer);
    this.keepAlive.end();
    this.settleOpened.reject(reason);
    if (before !== "leaving") this.onLeave(false);
    this.onOver(reason, wasLate);
    for (const stream of this.streams) {
      // The server, if it is there, sees that the call was given up, and not that something here is wrong.
      stream.close(constants.NGHTTP2_CANCEL);
      stream.destroy(reason);
    }
    this.session.destroy();
    // The session would first send what it has, which never ends where nobody takes it. Not here: it may be in the
    // middle of what it has just read.
    setImmediate(() => this.socket.destroy());
  }

  private open(): void {
    if (this.state !== "connecting") return;
    this.state = "open";
    this.session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    clearTimeout(this.timer);
    this.onOpen();
    this.rest();
    this.settleOpened.resolve();
  }

  private closed(stream: AskedStream): void {
    // Where a server ends a stream before its answer and calls that no error, Connect would wait for ever.
    if (stream[ANSWERED] !== true && stream.errored === null)
      stream.emit("error", new ConnectError("the server ended the call before its answer", Code.Unavailable));
    this.streams.delete(stream);
    if (this.streams.size === 0) this.rest();
  }

  /** It has no calls: it does not keep the process alive, and is not pinged. */
  private rest(): void {
    this.keepAlive.stop();
    if (this.state === "leaving") this.end(this.broken(undefined));
    if (this.state !== "open") return;
    this.session.unref();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.leave(false), IDLE_MAX_MS).unref();
  }

  private leaveFor(code: number, data: Buffer | undefined): void {
    const isPingedTooOften = data?.equals(TOO_MANY_PINGS) === true;
    if (code === constants.NGHTTP2_NO_ERROR && this.state !== "connecting") {
      this.leave(isPingedTooOften);
      return;
    }
    if (isPingedTooOften && this.state === "open") this.leave(true);
    this.end(this.broken(new Error(`the server ended the connection with error code ${code}`)));
  }

  private leave(isPingedTooOften: boolean): void {
    if (this.state !== "open") return;
    this.state = "leaving";
    clearTimeout(this.timer);
    this.onLeave(isPingedTooOften);
    if (this.streams.size === 0) this.end(this.broken(undefined));
  }

  /** What its calls end with when it breaks. */
  private broken(error: Error | undefined): ConnectError {
    if (this.state === "connecting") return connectingFailed(error);
    const words = error?.message ?? "the server closed the connection";
    return new ConnectError(words, Code.Unavailable, undefined, undefined, error);
  }
}

function openSocket({ protocol, hostname, port }: URL): Socket {
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  if (protocol === "http:") return connectTcp({ host, port: Number(port || 80), noDelay: true });
  const servername = isIP(host) === 0 ? { servername: host } : {};
  return connectTls({ host, port: Number(port || 443), ALPNProtocols: ["h2"], ...servername });
}

/** What became of a connection that was never open. */
function connectingFailed(error: Error | undefined): ConnectError {
  // Frames that are not HTTP/2 will not become so: this is no server of ours.
  if (error !== undefined && "code" in error && error.code === "ERR_HTTP2_ERROR")
    return new ConnectError(error.message, Code.Internal, undefined, undefined, error);
  const words = error?.message ?? "the server closed the connection before it said anything";
  return new ConnectError(words, Code.Unavailable, undefined, undefined, asConnecting(words, error));
}

function connectingTimedOut(afterMs: number): ConnectError {
  const words = `not connected after ${afterMs} ms`;
  return new ConnectError(words, Code.Unavailable, undefined, undefined, asConnecting(words, new SilenceError(words)));
}

/** Callers see by the system call that nothing can have been sent. */
function asConnecting(words: string, cause?: Error): Error {
  if (cause !== undefined && "syscall" in cause && CONNECTING.includes(cause.syscall)) return cause;
  return Object.assign(new Error(words, { cause }), { syscall: "connect" });
}

const CONNECTING: readonly unknown[] = ["connect", "getaddrinfo"];

function noteAnswer(this: AskedStream): void {
  this[ANSWERED] = true;
}

const ignore = () => undefined;

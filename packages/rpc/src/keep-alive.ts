import type { ClientHttp2Session, ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";

/** How soon the silence of the other end is noticed. */
export interface PingOptions {
  /** The other end is pinged when nothing came from it for so long. */
  readonly pingIntervalMs: number;
  /** It is gone when nothing came from it for so long after a ping. */
  readonly pingTimeoutMs: number;
}

/** How often in an interval it looks whether something came. */
const LOOKS_PER_INTERVAL = 4;

/**
 * Finds out whether the other end of an HTTP/2 connection is still there, where TCP alone would not notice: its machine
 * lost its power, or something in between forgot the connection.
 *
 * Every byte that comes is a sign of life, so that an end which is busy sending or reading much is never taken for dead
 * because its answer to a ping waits behind other bytes.
 */
export class KeepAlive {
  private readonly session: ClientHttp2Session | ServerHttp2Session;
  private readonly socket: Socket;
  private readonly options: PingOptions;
  private readonly onGone: () => void;
  private heardMs = performance.now();
  private heardBytes = 0;
  private timer: NodeJS.Timeout | undefined;
  private asked: Promise<boolean> | undefined;
  private settleAsked: ((isThere: boolean) => void) | undefined;

  /** @param onGone called once: the other end does not answer. */
  constructor(
    connection: { readonly session: ClientHttp2Session | ServerHttp2Session; readonly socket: Socket },
    options: PingOptions,
    onGone: () => void,
  ) {
    this.session = connection.session;
    this.socket = connection.socket;
    this.options = options;
    this.onGone = onGone;
  }

  /** How long nothing has come. */
  silentMs(): number {
    this.listen();
    return performance.now() - this.heardMs;
  }

  /** Watches from now on. What was silent for long before is asked at once. */
  start(): void {
    this.timer ??= setTimeout(() => this.look(), this.options.pingIntervalMs / LOOKS_PER_INTERVAL).unref();
  }

  /** Watches no more. What came before counts as of now. */
  stop(): void {
    this.listen();
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** The connection is over: whoever asks is told that nobody is there. */
  end(): void {
    this.stop();
    this.settleAsked?.(false);
  }

  /** Pings. False, when `onGone` was called or the connection has ended. */
  isThere(): Promise<boolean> {
    if (this.session.destroyed) return Promise.resolve(false);
    this.asked ??= this.ask().finally(() => {
      this.asked = undefined;
      this.settleAsked = undefined;
    });
    return this.asked;
  }

  private ask(): Promise<boolean> {
    return new Promise((resolve) => {
      const judge = () => {
        const isThere = this.listen();
        resolve(isThere);
        if (!isThere) this.onGone();
      };
      // If this process itself stood still, what came meanwhile is read before the verdict.
      const timer = setTimeout(() => setImmediate(judge), this.options.pingTimeoutMs).unref();
      this.settleAsked = (isThere) => {
        clearTimeout(timer);
        resolve(isThere);
      };
      this.session.ping((error) => {
        // A ping that is cut off says nothing: the connection ends, or other bytes count.
        if (error === null) this.settleAsked?.(true);
      });
    });
  }

  private look(): void {
    this.timer = undefined;
    this.start();
    if (this.silentMs() >= this.options.pingIntervalMs) void this.isThere();
  }

  /** Whether something came since it last listened. */
  private listen(): boolean {
    const bytes = this.socket.bytesRead;
    if (bytes === this.heardBytes) return false;
    this.heardBytes = bytes;
    this.heardMs = performance.now();
    return true;
  }
}

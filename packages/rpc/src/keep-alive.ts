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
/** A ping waits behind what was sent before it: so much of that goes over a slow line in a millisecond … */
const SLOW_BYTES_PER_MS = 1_000;
/** … and it is not waited longer for it than this. */
const SENDING_MAX_MS = 5_000;

/**
 * Finds out whether the other end of an HTTP/2 connection is still there, where TCP alone would not notice: its machine
 * lost its power, or something in between forgot the connection.
 *
 * Every byte that comes is a sign of life, so that an end which is busy sending or reading much is never taken for dead
 * because its answer to a ping waits behind other bytes. So that neither is one to which much is on its way, a ping that was
 * sent behind it gets longer.
 */
export class KeepAlive {
  private readonly session: ClientHttp2Session | ServerHttp2Session;
  private readonly socket: Socket;
  private readonly options: PingOptions;
  private readonly onGone: () => void;
  private heardMs = performance.now();
  private heardBytes = 0;
  /** How much had been sent when it last looked, and when it looked before something was last heard. */
  private sentBytes = 0;
  private sentBeforeHeard = 0;
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
      const askedMs = performance.now();
      let timer: NodeJS.Timeout;
      const judge = () => {
        const isThere = this.listen();
        const leftMs = askedMs + this.options.pingTimeoutMs + this.sendingMs() - performance.now();
        if (!isThere && leftMs > 0) {
          judgeIn(leftMs);
          return;
        }
        resolve(isThere);
        if (!isThere) this.onGone();
      };
      const judgeIn = (ms: number) => {
        // If this process itself stood still, what came meanwhile is read before the verdict.
        timer = setTimeout(() => setImmediate(judge), ms).unref();
      };
      judgeIn(this.options.pingTimeoutMs);
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

  /** How long what was sent since something was last heard may be on its way. */
  private sendingMs(): number {
    return Math.min(SENDING_MAX_MS, (this.socket.bytesWritten - this.sentBeforeHeard) / SLOW_BYTES_PER_MS);
  }

  /** Whether something came since it last listened. */
  private listen(): boolean {
    const { bytesRead, bytesWritten } = this.socket;
    const sentBefore = this.sentBytes;
    this.sentBytes = bytesWritten;
    if (bytesRead === this.heardBytes) return false;
    this.heardBytes = bytesRead;
    this.heardMs = performance.now();
    this.sentBeforeHeard = sentBefore;
    return true;
  }
}

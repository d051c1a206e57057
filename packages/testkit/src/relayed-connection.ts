import { connect, type Socket } from "node:net";

/** How a connection ends: both ends are told that nothing follows (`fin`), or that it is broken (`rst`). */
export type Ending = "fin" | "rst";

/** What a proxy does with one direction of all its connections. Whoever changes it calls `changed` on each of them. */
export interface Lane {
  /**
   * - `no`: bytes pass.
   * - `hold`: nothing is read any more. Both ends think that the connection lives, and what they sent flows on later.
   * - `lose`: everything is read and thrown away. Both ends think that the connection lives; it has a hole.
   */
  cut: "no" | "hold" | "lose";
  /** How long each byte is under way besides; their order stays. */
  latencyMs(): number;
  /** The connection that carries the last of so many bytes ends after it, once. */
  limit: { bytes: number; readonly ending: Ending } | undefined;
  /** Bytes that were passed on. */
  passed: number;
  /** Bytes that were thrown away. */
  lost: number;
}

export interface Lanes {
  readonly toServer: Lane;
  readonly toClient: Lane;
}

/** A direction takes no more bytes while so many wait for their time in it. */
const DELAYED_BYTES_MAX = 256 * 1024;

interface Delayed {
  readonly dueMs: number;
  readonly bytes: Buffer;
}

/**
 * One direction of a relayed connection: bytes, then one end. Both are held, delayed or lost as its lane says.
 * At most `DELAYED_BYTES_MAX` and what was read at once wait here; then it reads no more.
 */
class Pipe {
  /** Whether something was lost, so that nothing may follow. */
  hasHole = false;
  private readonly source: Socket;
  private readonly sink: Socket;
  private readonly lane: Lane;
  private readonly onLimit: (ending: Ending) => void;
  private readonly onBytes: () => void;
  private readonly waiting: Delayed[] = [];
  private waitingBytes = 0;
  /** What comes after the last byte. */
  private end: Ending | undefined;
  private timer: NodeJS.Timeout | undefined;
  private sinkIsFull = false;
  /** Whether it passes nothing on any more, and reads only so that nothing is left unread. */
  private isDrain = false;

  constructor(options: {
    readonly source: Socket;
    readonly sink: Socket;
    readonly lane: Lane;
    readonly onLimit: (ending: Ending) => void;
    readonly onBytes: () => void;
  }) {
    this.source = options.source;
    this.sink = options.sink;
    this.lane = options.lane;
    this.onLimit = options.onLimit;
    this.onBytes = options.onBytes;
    this.source.on("data", (bytes: Buffer) => this.take(bytes));
    this.source.on("end", () => this.ends("fin"));
    this.sink.on("drain", () => {
      this.sinkIsFull = false;
      this.pump();
    });
    this.source.pause();
  }

  /** The source's end, which comes after all its bytes; a broken source tells of nothing else. */
  ends(ending: Ending): void {
    if (this.isDrain || this.end === "rst") return;
    this.end = ending;
    if (ending === "rst") this.forget();
    this.pump();
  }

  /** From now on everything that comes is thrown away. */
  drain(): void {
    this.isDrain = true;
    this.forget();
    this.pump();
  }

  /** Passes on what may pass now, and reads as long as there is room. */
  pump(): void {
    clearTimeout(this.timer);
    if (!this.isDrain) {
      if (this.lane.cut === "lose") this.lose();
      else if (this.lane.cut === "no" && !this.hasHole) this.pass();
    }
    if (this.reads()) this.source.resume();
    else this.source.pause();
  }

  private reads(): boolean {
    if (this.isDrain || this.lane.cut === "lose") return true;
    return this.lane.cut === "no" && !this.sinkIsFull && this.waitingBytes < DELAYED_BYTES_MAX;
  }

  private take(bytes: Buffer): void {
    if (this.isDrain) {
      this.lane.lost += bytes.length;
      return;
    }
    this.onBytes();
    // In the order in which they came: later bytes never overtake earlier ones, however short their own way is.
    this.waiting.push({ dueMs: performance.now() + this.lane.latencyMs(), bytes });
    this.waitingBytes += bytes.length;
    this.pump();
  }

  private pass(): void {
    while (!this.sinkIsFull) {
      const [next] = this.waiting;
      if (next === undefined) break;
      const waitMs = next.dueMs - performance.now();
      if (waitMs > 0) {
        this.timer = setTimeout(() => this.pump(), Math.ceil(waitMs));
        return;
      }
      this.waiting.shift();
      this.waitingBytes -= next.bytes.length;
      this.write(next.bytes);
    }
    if (this.waiting.length > 0 || this.end === undefined) return;
    tell(this.sink, this.end);
  }

  private write(bytes: Buffer): void {
    const { limit } = this.lane;
    if (limit === undefined || bytes.length < limit.bytes) {
      if (limit !== undefined) limit.bytes -= bytes.length;
      this.lane.passed += bytes.length;
      if (!this.sink.write(bytes)) this.sinkIsFull = true;
      return;
    }
    this.lane.limit = undefined;
    this.lane.passed += limit.bytes;
    this.lane.lost += bytes.length - limit.bytes;
    this.drain();
    // A reset overtakes what its sender has not handed to the system.
    this.sink.write(bytes.subarray(0, limit.bytes), () => this.onLimit(limit.ending));
  }

  private lose(): void {
    if (this.waitingBytes > 0 || this.end !== undefined) this.hasHole = true;
    this.forget();
  }

  private forget(): void {
    this.lane.lost += this.waitingBytes;
    this.waiting.length = 0;
    this.waitingBytes = 0;
  }
}

/** A client's connection and the one to the server that belongs to it. */
export class RelayedConnection {
  /** Resolves when neither end is open. */
  readonly over: Promise<void>;
  private readonly client: Socket;
  private readonly server: Socket;
  private readonly pipes: readonly [toServer: Pipe, toClient: Pipe];
  private readonly lanes: Lanes;
  private readonly idle: NodeJS.Timeout | undefined;

  constructor(options: {
    /** Paused, and allowed to be half open. */
    readonly client: Socket;
    readonly target: { readonly host: string; readonly port: number };
    readonly lanes: Lanes;
    /** Ends the connection when for so long no byte came from either end. */
    readonly idleLimit: { readonly ms: number; readonly ending: Ending | "silent" } | undefined;
  }) {
    const { client, target, lanes, idleLimit } = options;
    const server = connect({ ...target, allowHalfOpen: true, noDelay: true });
    this.client = client;
    this.server = server;
    this.lanes = lanes;
    if (idleLimit !== undefined) this.idle = setTimeout(() => this.end(idleLimit.ending), idleLimit.ms);
    const shared = { onLimit: (ending: Ending) => this.end(ending), onBytes: () => this.idle?.refresh() };
    this.pipes = [
      new Pipe({ source: client, sink: server, lane: lanes.toServer, ...shared }),
      new Pipe({ source: server, sink: client, lane: lanes.toClient, ...shared }),
    ];
    const over = [client, server].map(
      (socket, i) =>
        new Promise<void>((resolve) => {
          const [from, to] = i === 0 ? this.pipes : ([this.pipes[1], this.pipes[0]] as const);
          socket.on("error", () => {
            from.ends("rst");
            // Nobody is there any more whom bytes could reach.
            to.drain();
          });
          socket.on("close", () => resolve());
        }),
    );
    this.over = Promise.all(over).then(() => clearTimeout(this.idle));
    this.changed();
  }

  /** Its lanes are others than before. */
  changed(): void {
    for (const pipe of this.pipes) pipe.pump();
  }

  /** Breaks it where a cut that is over has made a hole: a stream of bytes with a hole is never passed on. */
  breakHole(): void {
    const { toServer, toClient } = this.lanes;
    const [up, down] = this.pipes;
    if ((up.hasHole && toServer.cut === "no") || (down.hasHole && toClient.cut === "no")) this.end("rst");
  }

  /** `silent`: neither end is told; whatever they send from now on is lost. */
  end(ending: Ending | "silent"): void {
    clearTimeout(this.idle);
    for (const pipe of this.pipes) pipe.drain();
    if (ending === "silent") return;
    for (const socket of [this.client, this.server]) tell(socket, ending);
  }
}

/** Ends a connection's one end. After `fin` it must be read until its own end. */
function tell(socket: Socket, ending: Ending): void {
  // With bytes unread in it, a socket that is destroyed would send a reset.
  if (ending === "fin") socket.end();
  // The system resets no connection whose end is just being told; what is unread, or comes, does it then.
  else if (socket.writableEnded && !socket.writableFinished) socket.destroy();
  else socket.resetAndDestroy();
}

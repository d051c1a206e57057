import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { Random } from "./random.ts";
import { type Ending, type Lane, RelayedConnection } from "./relayed-connection.ts";

export type { Ending } from "./relayed-connection.ts";

/** From the client to the server, the other way, or both. */
export type Direction = "toServer" | "toClient" | "both";

/** What becomes of bytes while the way is cut: see `FaultProxy.cut`. */
export type CutKind = "hold" | "lose";

export interface FaultProxyOptions {
  /** `http://host:port` of the server; without it connections are reset until `setTarget`. */
  readonly target?: string;
  /** Of the jitter. 1 by default. */
  readonly seed?: number;
}

/** What a proxy has seen so far. */
export interface ProxyCounts {
  /** Connections that were accepted and relayed. */
  readonly accepted: number;
  /** Connections that were reset at once. */
  readonly refused: number;
  /** Of the accepted ones, those of which at least one end is still open. */
  readonly open: number;
  readonly passed: { readonly toServer: number; readonly toClient: number };
  readonly lost: { readonly toServer: number; readonly toClient: number };
}

/**
 * A TCP proxy on a port of its own, between any client and server, that does what networks do: it cuts one way or both,
 * delays, closes, resets and refuses connections. Several faults may be there at once.
 *
 * What it cannot do: the acknowledgements of TCP are the proxy's own, so a sender never learns of a cut from its own
 * system, and a cut one way does not stop bytes the other way. New connections are accepted while the way is cut, but
 * nothing comes over them, and the server does not see them before the cut is over.
 */
export class FaultProxy {
  /** Where it listens. */
  readonly url: string;
  readonly port: number;
  private readonly listener: Server;
  private readonly random: Random;
  private readonly connections = new Set<RelayedConnection>();
  /** Those that came while the way was cut. */
  private readonly unanswered = new Set<Socket>();
  private readonly toServer: Lane;
  private readonly toClient: Lane;
  private target: { readonly host: string; readonly port: number } | undefined;
  private refuses = false;
  private idleLimit: { readonly ms: number; readonly ending: Ending | "silent" } | undefined;
  private accepted = 0;
  private refused = 0;

  private constructor(listener: Server, options: FaultProxyOptions) {
    this.listener = listener;
    this.random = new Random(options.seed ?? 1);
    this.toServer = newLane();
    this.toClient = newLane();
    if (options.target !== undefined) this.setTarget(options.target);
    const { port } = listener.address() as AddressInfo;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    listener.on("connection", (client) => this.accept(client));
  }

  /** Listens on a free port. Whoever starts one must `close` it. */
  static async start(options: FaultProxyOptions = {}): Promise<FaultProxy> {
    const listener = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      listener.once("error", reject);
      listener.listen(0, "127.0.0.1", resolve);
    });
    return new FaultProxy(listener, options);
  }

  /** Where connections go from now on; those that are there stay where they are. */
  setTarget(url: string): void {
    const { hostname, port } = new URL(url);
    this.target = { host: hostname.replace(/^\[(.*)\]$/, "$1"), port: Number(port) };
  }

  get counts(): ProxyCounts {
    const { toServer, toClient } = this;
    return {
      accepted: this.accepted,
      refused: this.refused,
      open: this.connections.size,
      passed: { toServer: toServer.passed, toClient: toClient.passed },
      lost: { toServer: toServer.lost, toClient: toClient.lost },
    };
  }

  /**
   * Cuts the way, without a word to either end: their connections are half open.
   *
   * - `hold`: a partition that TCP survives. What is sent waits at its sender, and flows once the cut is over.
   * - `lose`: one that outlasts TCP. What is sent is thrown away, and connections that lost something are reset once the
   *   cut is over.
   */
  cut(direction: Direction, kind: CutKind = "hold"): void {
    for (const lane of this.lanes(direction)) lane.cut = kind;
    this.changed();
  }

  /** Ends the cuts of a direction. Every other fault stays. */
  uncut(direction: Direction = "both"): void {
    for (const lane of this.lanes(direction)) lane.cut = "no";
    for (const connection of this.connections) connection.breakHole();
    this.changed();
    if (!this.isCut()) for (const client of this.unanswered) this.relay(client);
  }

  /** From now on every byte takes so long, and up to `jitterMs` more. Bytes keep their order. 0 ends it. */
  delay(direction: Direction, ms: number, jitterMs = 0): void {
    for (const lane of this.lanes(direction)) lane.latencyMs = () => ms + this.random.fraction() * jitterMs;
  }

  /** Resets every new connection until `accept`. Those that are there stay. */
  refuse(): void {
    this.refuses = true;
  }

  /** Ends `refuse`. */
  admit(): void {
    this.refuses = false;
  }

  /** Ends every connection that is there now. */
  endAll(ending: Ending): void {
    for (const connection of this.connections) connection.end(ending);
    for (const client of this.unanswered) client.resetAndDestroy();
  }

  /** The connection that carries the last of so many further bytes ends right after it. Once; others are left alone. */
  endAfter(direction: "toServer" | "toClient", bytes: number, ending: Ending): void {
    this[direction].limit = { bytes, ending };
  }

  /**
   * Ends every new connection on which neither end sent a byte for so long, as proxies and firewalls do.
   *
   * @param ending `silent`: forgets it, as a table of addresses does: both ends think that it lives, and no byte passes.
   */
  endIdle(ms: number, ending: Ending | "silent"): void {
    this.idleLimit = { ms, ending };
  }

  /** Ends every fault. Connections that lost bytes are reset; all others live on, with the bytes that were held. */
  heal(): void {
    this.delay("both", 0);
    this.admit();
    for (const lane of this.lanes("both")) lane.limit = undefined;
    this.idleLimit = undefined;
    this.uncut("both");
  }

  /** Resets whatever is there, and frees the port. Idempotent. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.listener.close(() => resolve()));
    this.endAll("rst");
    await closed;
  }

  private lanes(direction: Direction): readonly Lane[] {
    return direction === "both" ? [this.toServer, this.toClient] : [this[direction]];
  }

  private isCut(): boolean {
    return this.lanes("both").some(({ cut }) => cut !== "no");
  }

  private changed(): void {
    for (const connection of this.connections) connection.changed();
  }

  private accept(client: Socket): void {
    // A client that resets its connection tells so by its end.
    client.on("error", () => undefined);
    if (this.refuses || this.target === undefined) {
      this.refused++;
      client.resetAndDestroy();
      return;
    }
    this.accepted++;
    if (!this.isCut()) {
      this.relay(client);
      return;
    }
    this.unanswered.add(client);
    client.once("close", () => this.unanswered.delete(client));
  }

  private relay(client: Socket): void {
    this.unanswered.delete(client);
    const { target, toServer, toClient, idleLimit } = this;
    if (target === undefined) throw new Error("only connections with a target are accepted");
    const connection = new RelayedConnection({ client, target, lanes: { toServer, toClient }, idleLimit });
    this.connections.add(connection);
    void connection.over.then(() => this.connections.delete(connection));
  }
}

function newLane(): Lane {
  return { cut: "no", latencyMs: () => 0, limit: undefined, passed: 0, lost: 0 };
}

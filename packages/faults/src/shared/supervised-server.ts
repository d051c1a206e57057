import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { FaultProxy, ServerProcess } from "@bank/testkit";

export interface SupervisedServerOptions {
  /** As `bank-2`. */
  readonly name: string;
  readonly port: number;
  readonly dataDir: string;
  /** As whoever runs the bank writes it. Each host in it is reached by way of a proxy. */
  readonly storeUrl: string;
  readonly flags: readonly string[];
  readonly seed: number;
  /** Told when it ended by itself: that it waits for its turn again is no reason to worry. */
  readonly onEnd: (end: ServerEnd) => void;
}

/** A bank server ended by itself. */
export interface ServerEnd {
  readonly name: string;
  readonly code: number | null;
  /** Whether it had been the bank. */
  readonly hadServed: boolean;
  /** The last that it said. */
  readonly lastWords: string;
}

/** As supervisors do, but quicker. */
const RESTART_AFTER_MS = 100;
const LOOK_MS = 20;
const LAST_WORDS = 600;

/**
 * One of several bank servers on one database, in a process of its own: it reaches the database by way of a proxy for each host,
 * and is started again whenever it ends by itself, as one does whose lease was taken over.
 */
export class SupervisedServer {
  readonly name: string;
  readonly url: string;
  /** Between it and its customers. */
  readonly door: FaultProxy;
  /** Between it and the database. */
  readonly storeLinks: readonly FaultProxy[];
  /** Between it and the branches that know it. */
  readonly branchLinks: FaultProxy[] = [];
  private readonly options: SupervisedServerOptions;
  private readonly storeUrl: string;
  private process: ServerProcess | undefined;
  private isStopped = false;

  private constructor(
    options: SupervisedServerOptions,
    reached: Pick<SupervisedServer, "door" | "storeLinks"> & { readonly storeUrl: string },
  ) {
    this.options = options;
    this.name = options.name;
    this.url = `http://127.0.0.1:${options.port}`;
    this.door = reached.door;
    this.storeLinks = reached.storeLinks;
    this.storeUrl = reached.storeUrl;
  }

  /** Does not wait until it listens. Whoever starts one must `stop` it. */
  static async start(options: SupervisedServerOptions): Promise<SupervisedServer> {
    const { seed, port, storeUrl } = options;
    const { hosts, url } = partsOf(storeUrl);
    const storeLinks = await Promise.all(
      hosts.map((host, i) => FaultProxy.start({ target: `http://${host}`, seed: seed + 1 + i })),
    );
    const door = await FaultProxy.start({ target: `http://127.0.0.1:${port}`, seed });
    const reached = { door, storeLinks, storeUrl: url(storeLinks.map((link) => `127.0.0.1:${link.port}`)) };
    const server = new SupervisedServer(options, reached);
    server.run();
    return server;
  }

  /** Resolves once it listens, as the bank or waiting for its turn. Rejects when that takes longer. */
  async whenThere(timeoutMs: number): Promise<void> {
    const untilMs = performance.now() + timeoutMs;
    while (!(await isOpen(this.options.port))) {
      if (performance.now() > untilMs) throw new Error(`${this.name} does not listen after ${timeoutMs} ms`);
      await delay(LOOK_MS);
    }
  }

  /** Kills it as a power cut would. It is not started again before `run`. */
  async kill(): Promise<void> {
    const { process } = this;
    this.process = undefined;
    await process?.kill();
  }

  pause(): void {
    this.process?.pause();
  }

  resume(): void {
    this.process?.resume();
  }

  /** Starts it, unless it runs. */
  run(): void {
    if (this.process !== undefined || this.isStopped) return;
    const { port, dataDir, flags } = this.options;
    const own = ["--listen", `127.0.0.1:${port}`, "--data", dataDir, "--store", this.storeUrl, ...flags];
    const process = new ServerProcess({ app: "bank-server", args: own });
    this.process = process;
    void this.supervise(process);
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.isStopped = true;
    await this.kill();
    await Promise.all([this.door, ...this.storeLinks, ...this.branchLinks].map((proxy) => proxy.close()));
  }

  /** Ends it as an operator would: it gives back what it has. Not started again. */
  async terminate(): Promise<void> {
    this.isStopped = true;
    const { process } = this;
    this.process = undefined;
    await process?.terminate();
  }

  private async supervise(process: ServerProcess): Promise<void> {
    const { code, stderr } = await process.ended;
    if (this.process !== process) return;
    this.process = undefined;
    const hadServed = process.lines.some((line) => line.includes("listening on"));
    this.options.onEnd({ name: this.name, code, hadServed, lastWords: stderr.slice(-LAST_WORDS) });
    await delay(RESTART_AFTER_MS);
    this.run();
  }
}

/** The hosts of a database's URL, and the same URL with others in their place. */
function partsOf(storeUrl: string) {
  const [, before = "", hosts, behind = ""] = /^(\w+:\/\/(?:[^@/?]*@)?)([^/?]+)(.*)$/.exec(storeUrl) ?? [];
  if (hosts === undefined) throw new TypeError(`the store's URL names no host: ${storeUrl}`);
  return { hosts: hosts.split(","), url: (others: readonly string[]) => before + others.join(",") + behind };
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, chownSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./free-port.ts";
import { quickFolder, serverUser } from "./postgres-programs.ts";

const START_TRIES = 40;

/** A server of a test's own, with a new data folder, on a free port of the loopback address. */
export class PostgresServer {
  readonly port: number;
  readonly #programs: string;
  readonly #folder: string;
  readonly #user: { uid: number; gid: number } | undefined;
  #process: ChildProcess | undefined;

  private constructor(
    programs: string,
    port: number,
    { primary, within = quickFolder() }: { readonly primary?: PostgresServer; readonly within?: string } = {},
  ) {
    this.port = port;
    this.#programs = programs;
    this.#user = serverUser();
    this.#folder = mkdtempSync(join(within, "bank-postgres-"));
    // Should the tests end without stopping it.
    process.once("exit", () => this.#signal("SIGKILL"));
    if (this.#user !== undefined) chownSync(this.#folder, this.#user.uid, this.#user.gid);
    const run = { ...this.#user, stdio: "ignore", cwd: this.#folder } as const;
    if (primary === undefined)
      execFileSync(
        join(programs, "initdb"),
        ["-D", this.#data, "-U", "bank", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync"],
        run,
      );
    else {
      execFileSync("cp", ["-a", primary.#data, this.#data], run);
      const from = `host=127.0.0.1 port=${primary.port} user=bank`;
      appendFileSync(join(this.#data, "postgresql.auto.conf"), `primary_conninfo = '${from}'\n`);
      writeFileSync(join(this.#data, "standby.signal"), "");
    }
  }

  /** With the programs of a folder. Its data is in a new folder `within` that one, where it is said. */
  static async start(programs: string, options: { readonly within?: string } = {}): Promise<PostgresServer> {
    const server = new PostgresServer(programs, await freePort(), options);
    await server.start();
    return server;
  }

  /** One that follows this server, which is restarted for it: a copy needs files that stand still. */
  async startStandby(): Promise<PostgresServer> {
    await this.#end("SIGINT");
    const standby = new PostgresServer(this.#programs, await freePort(), { primary: this });
    await this.start();
    await standby.start();
    return standby;
  }

  /** For a schema of its own; `options` go behind it in the URL. */
  url(schema: string, options = "", port = this.port): string {
    return `postgres://bank@127.0.0.1:${port}/postgres?schema=${schema}${options}`;
  }

  async start(): Promise<void> {
    const settings = {
      listen_addresses: "127.0.0.1",
      port: `${this.port}`,
      unix_socket_directories: this.#folder,
      fsync: "on",
      // In its folder, which is removed, also when it was killed.
      dynamic_shared_memory_type: "mmap",
      max_connections: "60",
      shared_buffers: "16MB",
      log_min_messages: "log",
      // A standby that has lost its primary looks for it again, and at what it was told, after so long: 5 s otherwise.
      wal_retrieve_retry_interval: "100ms",
    };
    for (let attempt = 1; ; attempt++) {
      const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
      const child = spawn(join(this.#programs, "postgres"), ["-D", this.#data, ...args], {
        ...this.#user,
        cwd: this.#folder,
        stdio: ["ignore", "ignore", "pipe"],
      });
      this.#process = child;
      const messages = await untilReady(child);
      if (messages === undefined) return;
      // What a killed server left behind may take a moment to go.
      if (attempt === START_TRIES) throw new Error(`the PostgreSQL server does not start: ${messages}`);
      await sleep(50);
    }
  }

  /** Resolves once it has ended by itself. */
  async ended(): Promise<void> {
    const child = this.#process;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }

  /** Ends all its processes at once, as a power cut would. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Ends it as an operator does who waits for nobody. What it has stays, and `start` goes on with it. */
  async shutDown(): Promise<void> {
    await this.#end("SIGINT");
  }

  async stop(): Promise<void> {
    await this.#end("SIGQUIT");
    await this.#end("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Holds all its processes, as a machine that was suspended, until they are told to go on. */
  pause(): void {
    this.#signal("SIGSTOP");
  }

  goOn(): void {
    this.#signal("SIGCONT");
  }

  get #data(): string {
    return join(this.#folder, "data");
  }

  async #end(signal: "SIGKILL" | "SIGQUIT" | "SIGINT"): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    // Else the server tells its children by itself.
    if (signal === "SIGKILL") this.#signal(signal);
    else child.kill(signal);
    await ended;
  }

  /** To the server and to all that it started: they are in groups of their own. */
  #signal(signal: NodeJS.Signals): void {
    const child = this.#process;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    // So that it starts no other meanwhile, and does not notice before all of them have it.
    child.kill("SIGSTOP");
    for (const pid of childrenOf(child.pid)) ignoringGone(() => process.kill(pid, signal));
    child.kill(signal);
  }
}

function childrenOf(parent: number): number[] {
  const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).trim().split("\n");
  const pairs = lines.map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
  return pairs.filter(([, ppid]) => ppid === parent).map(([pid]) => pid);
}

function ignoringGone(act: () => void): void {
  try {
    act();
  } catch {
    // It has ended by itself.
  }
}

/** Gives undefined once it is ready; what it said, when it ended instead. */
function untilReady(child: ChildProcess): Promise<string | undefined> {
  let messages = "";
  return new Promise((resolve) => {
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      messages += text;
      // A standby is for "read-only connections".
      if (/ready to accept .*connections/.test(messages)) resolve(undefined);
    });
    child.once("exit", () => resolve(messages));
  });
}

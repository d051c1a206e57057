import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Connection, type Reply } from "../redis/connection.ts";
import { parseRedisUrl } from "../redis/redis-place.ts";
import { freePort } from "./free-port.ts";

export const REDIS_PROGRAM = "redis-server";
const START_DEADLINE_MS = 10_000;
/** Where there is one, a disk in memory: what a killed program wrote is there as on any other, and nobody waits for it. */
const FOLDERS = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

/** What a bank's store needs. */
const SAFE = ["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction", "--save", ""];

/** Whether there is a server program on the PATH. */
export function isRedisInstalled(): boolean {
  try {
    execFileSync(REDIS_PROGRAM, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** How a server is started. */
export interface RedisServerStart {
  /** As on its command line. */
  readonly settings?: readonly string[];
  /** The largest file that it may write, in blocks of 512 bytes. Default: no limit. */
  readonly fileBlocksMax?: number;
}

/** A server with a port and a data folder of its own on this machine. */
export class RedisServer {
  #folder: string | undefined;
  #port = 0;
  #child: ChildProcess | undefined;
  #prefixes = 0;

  get port(): number {
    return this.#port;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** A place in which there is nothing yet. */
  newUrl(query = "", port = this.#port): string {
    this.#prefixes++;
    return `redis://127.0.0.1:${port}/bank-${this.#prefixes}${query}`;
  }

  /** Starts it with the data that it had, on the port that it had. Resolves once it answers. */
  async start({ settings = [], fileBlocksMax }: RedisServerStart = {}): Promise<void> {
    if (this.#port === 0) this.#port = await freePort();
    this.#folder ??= mkdtempSync(join(FOLDERS, "bank-redis-"));
    const place = ["--port", String(this.#port), "--bind", "127.0.0.1", "--dir", this.#folder];
    const program = [REDIS_PROGRAM, ...place, "--repl-diskless-sync-delay", "0", ...SAFE, ...settings];
    const [command = "", ...args] =
      fileBlocksMax === undefined ? program : ["sh", "-c", `ulimit -f ${fileBlocksMax}; exec "$@"`, "sh", ...program];
    const child = spawn(command, args, { stdio: "ignore" });
    this.#child = child;
    const deadline = performance.now() + START_DEADLINE_MS;
    for (;;) {
      try {
        await this.command("PING");
        return;
      } catch (error) {
        if (child.exitCode !== null || performance.now() > deadline)
          throw new Error(`${REDIS_PROGRAM} did not start: exit code ${child.exitCode}`, { cause: error });
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  /** kill -9, and waits until it is gone. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }

  async remove(): Promise<void> {
    await this.kill();
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Stops it in the middle of whatever it does; it goes on with SIGCONT. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child?.kill(signal);
  }

  /** Has it try to save its data to where it cannot, so that it takes no writes as long as it is set to save. */
  async failToSave(): Promise<void> {
    mkdirSync(join(this.#folder ?? "", "dump.rdb"), { recursive: true });
    await this.command("CONFIG", "SET", "save", "3600 1000000");
    await this.command("BGSAVE");
    while (!String(await this.command("INFO", "persistence")).includes("rdb_last_bgsave_status:err"))
      await new Promise((resolve) => setTimeout(resolve, 10));
  }

  /** One command over a connection of its own. */
  async command(...args: (string | Buffer)[]): Promise<Reply> {
    const place = parseRedisUrl(`redis://127.0.0.1:${this.#port}/`);
    const connection = await Connection.open(place, { timeoutMs: 5_000 });
    try {
      return await connection.call(args);
    } finally {
      connection.close();
    }
  }

  /** A hash as text by text. */
  async hash(key: string): Promise<Record<string, string>> {
    const texts = ((await this.command("HGETALL", key)) as Reply[]).map(String);
    return Object.fromEntries(Array.from({ length: texts.length / 2 }, (_, i) => texts.slice(2 * i, 2 * i + 2)));
  }
}

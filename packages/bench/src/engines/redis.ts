import { mkdir } from "node:fs/promises";
import type { Bench } from "../bench.ts";
import { freePort } from "../harness/free-port.ts";
import { familyUs } from "../harness/process-cost.ts";
import { type Running, runToEnd } from "../harness/processes.ts";
import type { EngineServer } from "./engine-server.ts";

export const REDIS = "Redis";
/** The same without a hash for each account. */
export const REDIS_WITHOUT_ROWS = "Redis, no rows";

/** Every answer means that it is on the disk, and nothing is written besides. */
const SETTINGS = ["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction", "--save", ""];

/** A Redis server of the benchmark's own, new, on a free port. */
export class BenchRedis implements EngineServer {
  readonly name: string;
  readonly port: number;
  private readonly bench: Bench;
  private readonly folder: string;
  private readonly server: Running;
  private stores = 0;

  private constructor(
    bench: Bench,
    server: Running,
    { name, port, folder }: { readonly name: string; readonly port: number; readonly folder: string },
  ) {
    this.name = name;
    this.bench = bench;
    this.server = server;
    this.port = port;
    this.folder = folder;
  }

  /**
   * Rejects with what is missing where it is not installed.
   *
   * @param name whether its stores have a hash for each account.
   */
  static async start(bench: Bench, name: typeof REDIS | typeof REDIS_WITHOUT_ROWS = REDIS): Promise<BenchRedis> {
    const folder = bench.scratch("redis");
    await mkdir(folder);
    const port = await freePort();
    const place = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--loglevel", "notice"];
    const server = bench.processes.start({
      name: "redis-server",
      command: "redis-server",
      args: [...place, ...SETTINGS],
    });
    try {
      await server.printed(/Ready to accept connections/);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`${REDIS}: redis-server does not start: ${why}`, { cause: error });
    }
    return new BenchRedis(bench, server, { name, port, folder });
  }

  async newStore(): Promise<string> {
    const query = this.name === REDIS ? "" : "?account_rows=false";
    return `redis://127.0.0.1:${this.port}/bank-${++this.stores}${query}`;
  }

  /** Its data are those of one bank, and go with the server. */
  async forget(): Promise<void> {
    await runToEnd(this.bench.processes, {
      name: "redis-cli",
      command: "redis-cli",
      args: ["-h", "127.0.0.1", "-p", String(this.port), "FLUSHALL"],
    });
  }

  processorUs(): number | undefined {
    return familyUs(this.server.pid);
  }

  async stop(): Promise<void> {
    await this.server.kill();
    await this.bench.forget(this.folder);
  }
}

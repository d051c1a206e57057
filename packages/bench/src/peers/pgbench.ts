import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench } from "../bench.ts";
import { BenchPostgres } from "../engines/postgres.ts";
import { LatencyLog } from "../harness/quantile.ts";
import type { Measurement } from "../report/result.ts";

/** At least as many branches as clients: each transaction locks the row of one. */
const SCALE = 20;
const SCALE_QUICK = 1;
const CLIENTS = 16;
const THREADS = 2;

/** Rows of `pgbench_accounts`. */
export function pgbenchAccounts({ quick }: Bench): number {
  return (quick ? SCALE_QUICK : SCALE) * 100_000;
}
export const PGBENCH_CLIENTS = CLIENTS;

/** What is asked of PostgreSQL. */
export interface PgbenchRun {
  /**
   * "tpcb-like": three updates, a select and an insert, with row locks that all clients meet at. "simple-update": the same
   * without the rows that they meet at. `file`: a script of its own.
   */
  readonly work: "tpcb-like" | "simple-update" | { readonly file: string };
  readonly clients: number;
}

/** PostgreSQL's own benchmark, on a server of this one's. */
export class Pgbench {
  private readonly bench: Bench;
  private readonly server: BenchPostgres;
  private logs = 0;

  private constructor(bench: Bench, server: BenchPostgres) {
    this.bench = bench;
    this.server = server;
  }

  /** Rejects with what is missing where PostgreSQL is not installed. */
  static async start(bench: Bench): Promise<Pgbench> {
    return Pgbench.on(bench, await BenchPostgres.start(bench));
  }

  /** Makes its tables on a server. */
  static async on(bench: Bench, server: BenchPostgres): Promise<Pgbench> {
    await server.pgbench(["-i", "-q", "-s", String(bench.quick ? SCALE_QUICK : SCALE)]);
    return new Pgbench(bench, server);
  }

  /** Prepared statements, no time between two transactions. */
  async measure({ work, clients }: PgbenchRun = { work: "tpcb-like", clients: CLIENTS }): Promise<Measurement> {
    const { durationMs, warmUpMs } = this.bench.runOptions([]);
    // pgbench counts whole seconds.
    const seconds = (ms: number) => String(Math.max(1, Math.round(ms / 1_000)));
    // It cleans its own tables before each run; a script of ours knows none of them.
    const script = typeof work === "string" ? ["-b", work] : ["-n", "-f", work.file];
    const threads = Math.min(THREADS, clients);
    const common = [...script, "-M", "prepared", "-c", String(clients), "-j", String(threads)];
    if (!this.bench.quick) await this.server.pgbench([...common, "-T", seconds(warmUpMs)]);
    const logs = join(this.server.folder, `log-${++this.logs}-`);
    const before = this.server.processorUs();
    const said = await this.server.pgbench([...common, "-T", seconds(durationMs), "-l", "--log-prefix", logs]);
    const after = this.server.processorUs();
    const rate = Number(/^tps = ([\d.]+)/m.exec(said)?.[1]);
    const operations = Number(/number of transactions actually processed: (\d+)/.exec(said)?.[1]);
    if (!(rate > 0 && operations > 0)) throw new Error(`pgbench said: ${said}`);
    return {
      operationsPerSecond: rate,
      operations,
      latencies: latenciesIn(logs),
      serverUs: before === undefined || after === undefined ? undefined : (after - before) / operations,
    };
  }

  /**
   * What the tables say after all: where nothing but TPC-B-like transactions ran, the sum of all accounts is that of all
   * tellers, and of all branches.
   */
  async audit(): Promise<string> {
    const sum = (table: string, column: string) => `(select coalesce(sum(${column}), 0) from ${table})`;
    const sums = [
      sum("pgbench_accounts", "abalance"),
      sum("pgbench_tellers", "tbalance"),
      sum("pgbench_branches", "bbalance"),
    ];
    const answer = await this.server.sql(`select ${sums.join(" || ' ' || ")}`);
    const [first, ...others] = answer.trim().split(" ");
    if (first === undefined || others.length !== 2 || others.some((other) => other !== first))
      throw new Error(`PostgreSQL's sums differ: ${answer}`);
    return first;
  }

  async stop(): Promise<void> {
    await this.server.stop();
  }
}

/** Of every transaction: pgbench writes a line for each, in a file for each of its threads. */
function latenciesIn(prefix: string) {
  const log = new LatencyLog();
  const folder = prefix.slice(0, prefix.lastIndexOf("/"));
  for (const file of readdirSync(folder)) {
    if (!join(folder, file).startsWith(`${prefix}.`)) continue;
    for (const line of readFileSync(join(folder, file), "utf8").split("\n")) {
      const us = Number(line.split(" ")[2]);
      if (us > 0) log.add(us / 1_000);
    }
  }
  return log.take();
}

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import type { Bench } from "../bench.ts";
import { type Running, runToEnd } from "../harness/processes.ts";
import { LatencyLog } from "../harness/quantile.ts";
import type { Measurement } from "../report/result.ts";

const VERSIONS = "/usr/lib/postgresql";
/** At least as many branches as clients: each transaction locks the row of one. */
const SCALE = 20;
const SCALE_QUICK = 1;
const CLIENTS = 16;
const THREADS = 2;
const TICKS_PER_SECOND = 100;

/** Rows of `pgbench_accounts`. */
export function pgbenchAccounts({ quick }: Bench): number {
  return (quick ? SCALE_QUICK : SCALE) * 100_000;
}
export const PGBENCH_CLIENTS = CLIENTS;

/** A PostgreSQL of the benchmark's own, with the tables of pgbench. */
export class Pgbench {
  private readonly bench: Bench;
  private readonly binaries: string;
  private readonly folder: string;
  private readonly server: Running;

  private constructor(bench: Bench, binaries: string, folder: string, server: Running) {
    this.bench = bench;
    this.binaries = binaries;
    this.folder = folder;
    this.server = server;
  }

  /** Rejects with what is missing where it is not installed. */
  static async start(bench: Bench): Promise<Pgbench> {
    const binaries = newestBinaries();
    if (binaries === undefined) throw new Error("PostgreSQL: no initdb, postgres and pgbench are installed");
    // Its socket's path must be short, and its own user must get there.
    const folder = await mkdtemp(join(tmpdir(), "bench-pg-"));
    bench.ownFolder(folder);
    const { processes } = bench;
    const run = (name: string, args: readonly string[]) =>
      runToEnd(processes, asPostgres(name, `${binaries}/${name}`, args));
    if (isRoot()) await runToEnd(processes, { name: "chown", command: "chown", args: ["postgres", folder] });
    await chmod(folder, 0o700);
    const data = join(folder, "data");
    await run("initdb", ["-D", data, "-A", "trust", "--no-instructions", "--no-sync", "-E", "UTF8", "--locale=C"]);
    const settings = [
      "fsync=on",
      "synchronous_commit=on",
      "shared_buffers=256MB",
      "max_wal_size=4GB",
      "logging_collector=off",
    ];
    const server = processes.start(
      asPostgres("postgres", `${binaries}/postgres`, [
        ...["-D", data, "-k", folder, "-h", ""],
        ...settings.flatMap((setting) => ["-c", setting]),
      ]),
    );
    const started = new Pgbench(bench, binaries, folder, server);
    await server.logged(/ready to accept connections/);
    await started.pgbench(["-i", "-q", "-s", String(bench.quick ? SCALE_QUICK : SCALE)]);
    return started;
  }

  /** The TPC-B-like transaction: three updates, a select and an insert, with row locks. */
  async measure(): Promise<Measurement> {
    const { durationMs, warmUpMs } = this.bench.runOptions([]);
    // pgbench counts whole seconds.
    const seconds = (ms: number) => String(Math.max(1, Math.round(ms / 1_000)));
    const common = ["-M", "prepared", "-c", String(CLIENTS), "-j", String(THREADS)];
    if (!this.bench.quick) await this.pgbench([...common, "-T", seconds(warmUpMs)]);
    const logs = join(this.folder, `log-${performance.now().toFixed(0)}`);
    const before = childrenUs(this.server.pid);
    const said = await this.pgbench([...common, "-T", seconds(durationMs), "-l", "--log-prefix", logs]);
    const after = childrenUs(this.server.pid);
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

  /** What the tables say after all: the sum of all accounts is that of all tellers, of all branches and of the history. */
  async audit(): Promise<string> {
    const sum = (table: string, column: string) => `(select coalesce(sum(${column}), 0) from ${table})`;
    const sums = [
      sum("pgbench_accounts", "abalance"),
      sum("pgbench_tellers", "tbalance"),
      sum("pgbench_branches", "bbalance"),
    ];
    const query = `select ${sums.join(" || ' ' || ")}`;
    const args = ["-h", this.folder, "-U", "postgres", "-d", "postgres", "-A", "-t", "-c", query];
    const answer = await runToEnd(this.bench.processes, asPostgres("psql", `${this.binaries}/psql`, args));
    const [first, ...others] = answer.trim().split(" ");
    if (first === undefined || others.length !== 2 || others.some((other) => other !== first))
      throw new Error(`PostgreSQL's sums differ: ${answer}`);
    return first;
  }

  async stop(): Promise<void> {
    await this.server.stop("SIGINT");
    await rm(this.folder, { recursive: true, force: true });
  }

  private pgbench(args: readonly string[]): Promise<string> {
    const all = ["-h", this.folder, "-U", "postgres", ...args, "postgres"];
    return runToEnd(this.bench.processes, asPostgres("pgbench", `${this.binaries}/pgbench`, all));
  }
}

function newestBinaries(): string | undefined {
  if (!existsSync(VERSIONS)) return undefined;
  return readdirSync(VERSIONS)
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => `${VERSIONS}/${version}/bin`)
    .find((folder) => ["initdb", "postgres", "pgbench", "psql"].every((name) => existsSync(`${folder}/${name}`)));
}

const isRoot = () => userInfo().uid === 0;

/** PostgreSQL refuses to run as root. */
function asPostgres(name: string, command: string, args: readonly string[]) {
  if (!isRoot()) return { name, command, args, cwd: tmpdir() };
  const words = ["--reuid=postgres", "--regid=postgres", "--init-groups", command, ...args];
  return { name, command: "setpriv", args: words, cwd: tmpdir() };
}

/** Processor time of all children that a process has had and buried: each of its connections has been one. */
function childrenUs(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return ((Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND) * 1e6;
  } catch {
    // Another system.
    return undefined;
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

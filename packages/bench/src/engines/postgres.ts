import { existsSync, readdirSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { migrate } from "@bank/store";
import type { Bench } from "../bench.ts";
import { freePort } from "../harness/free-port.ts";
import { familyUs } from "../harness/process-cost.ts";
import { type Running, runToEnd, type StartOptions } from "../harness/processes.ts";
import type { EngineServer } from "./engine-server.ts";

const VERSIONS = "/usr/lib/postgresql";
const PROGRAMS = ["initdb", "postgres", "pgbench", "psql"] as const;
export const POSTGRES = "PostgreSQL";

/** What it promises is on its disk when it answers; the rest is room enough for a benchmark's minutes. */
const SETTINGS = [
  "fsync=on",
  "full_page_writes=on",
  "synchronous_commit=on",
  "shared_buffers=256MB",
  "max_wal_size=4GB",
  "logging_collector=off",
  "listen_addresses=127.0.0.1",
];

/** A PostgreSQL server of the benchmark's own, new, on a free port. */
export class BenchPostgres implements EngineServer {
  readonly name = POSTGRES;
  /** Its data, and its socket. */
  readonly folder: string;
  private readonly bench: Bench;
  private readonly binaries: string;
  private readonly port: number;
  private readonly server: Running;
  private stores = 0;

  private constructor(parts: {
    readonly bench: Bench;
    readonly binaries: string;
    readonly folder: string;
    readonly port: number;
    readonly server: Running;
  }) {
    this.bench = parts.bench;
    this.binaries = parts.binaries;
    this.folder = parts.folder;
    this.port = parts.port;
    this.server = parts.server;
  }

  /** Rejects with what is missing where it is not installed. */
  static async start(bench: Bench): Promise<BenchPostgres> {
    const binaries = newestBinaries();
    if (binaries === undefined) throw new Error(`${POSTGRES}: no ${PROGRAMS.join(", ")} are installed`);
    // Its socket's path must be short, and its own user must get there.
    const folder = await mkdtemp(join(tmpdir(), "bench-pg-"));
    bench.ownFolder(folder);
    const { processes } = bench;
    if (isRoot()) await runToEnd(processes, { name: "chown", command: "chown", args: ["postgres", folder] });
    await chmod(folder, 0o700);
    const data = join(folder, "data");
    const initdb = ["-D", data, "-A", "trust", "--no-instructions", "--no-sync", "-E", "UTF8", "--locale=C"];
    await runToEnd(processes, asPostgres("initdb", `${binaries}/initdb`, initdb));
    const port = await freePort();
    const args = ["-D", data, "-k", folder, "-p", String(port), ...SETTINGS.flatMap((setting) => ["-c", setting])];
    const server = processes.start(asPostgres("postgres", `${binaries}/postgres`, args));
    await server.logged(/ready to accept connections/);
    return new BenchPostgres({ bench, binaries, folder, port, server });
  }

  async newStore(): Promise<string> {
    const url = this.url(`bank_${++this.stores}`);
    await migrate(url);
    return url;
  }

  async forget(store: string): Promise<void> {
    await this.sql(`DROP SCHEMA "${new URL(store).searchParams.get("schema")}" CASCADE`);
  }

  processorUs(): number | undefined {
    return familyUs(this.server.pid);
  }

  /** Runs a statement, and gives what it answers: columns with bars between. */
  sql(statement: string): Promise<string> {
    return this.run("psql", ["-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement, "-d", "postgres"]);
  }

  /** Runs pgbench over the server's socket, which is quicker than the way that a bank takes. */
  pgbench(args: readonly string[]): Promise<string> {
    return this.run("pgbench", [...args, "postgres"]);
  }

  async stop(): Promise<void> {
    await this.server.stop("SIGINT");
    await rm(this.folder, { recursive: true, force: true });
  }

  private run(program: "psql" | "pgbench", args: readonly string[]): Promise<string> {
    const all = ["-h", this.folder, "-p", String(this.port), "-U", owner(), ...args];
    return runToEnd(this.bench.processes, asPostgres(program, `${this.binaries}/${program}`, all));
  }

  private url(schema: string): string {
    return `postgres://${owner()}@127.0.0.1:${this.port}/postgres?schema=${schema}`;
  }
}

function newestBinaries(): string | undefined {
  if (!existsSync(VERSIONS)) return undefined;
  return readdirSync(VERSIONS)
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => `${VERSIONS}/${version}/bin`)
    .find((folder) => PROGRAMS.every((name) => existsSync(`${folder}/${name}`)));
}

const isRoot = () => userInfo().uid === 0;
/** Who made the database is its first user. */
const owner = () => (isRoot() ? "postgres" : userInfo().username);

/** PostgreSQL refuses to run as root. */
function asPostgres(name: string, command: string, args: readonly string[]): StartOptions {
  if (!isRoot()) return { name, command, args, cwd: tmpdir() };
  const words = ["--reuid=postgres", "--regid=postgres", "--init-groups", command, ...args];
  return { name, command: "setpriv", args: words, cwd: tmpdir() };
}

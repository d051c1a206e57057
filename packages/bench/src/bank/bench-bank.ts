import { fileURLToPath } from "node:url";
import type { Bench } from "../bench.ts";
import { residentBytes } from "../harness/process-cost.ts";
import { type NodeOptions, type Running, runToEnd } from "../harness/processes.ts";
import type { SuiteReport } from "../report/result.ts";
import { type Audit, auditStore } from "./audit.ts";
import { auditOverWire } from "./audit-over-wire.ts";
import { fillBank } from "./fill-bank.ts";
import { copyBank } from "./prepared-bank.ts";
import { ServerUnderLoad } from "./server-under-load.ts";

const APPS = fileURLToPath(new URL("../../../../apps", import.meta.url));
const STALL_WATCH = new URL("stall-watch.ts", import.meta.url).href;

/** What is kept nowhere. */
const MEMORY = "memory:";

export interface BenchBankOptions {
  readonly accounts: number;
  /** For messages. */
  readonly name?: string;
  /** "memory": the same server on the memory engine, which keeps nothing. */
  readonly engine?: "sqlite" | "memory";
  /** URL of an empty store, which is filled by calls; where nothing is said, a prepared one of the engine. */
  readonly store?: string;
  /** Further flags of the server. */
  readonly flags?: readonly string[];
  /** It can tell how long its main thread answered nobody: see `longestStallMs`. On SQLite only. */
  readonly isWatched?: boolean;
}

/** A bank under load, with a data folder of its own that is audited in the end. */
export class BenchBank extends ServerUnderLoad {
  readonly dataDir: string;
  readonly process: Running;
  private readonly options: BenchBankOptions;
  private stallsAsked = 0;

  private constructor(
    bench: Bench,
    started: { readonly process: Running; readonly url: string; readonly dataDir: string; readonly movements: number },
    options: BenchBankOptions,
  ) {
    super(bench, started.url, [started.process.pid]);
    this.process = started.process;
    this.dataDir = started.dataDir;
    this.acknowledged = started.movements;
    this.options = options;
  }

  static async start(bench: Bench, options: BenchBankOptions): Promise<BenchBank> {
    const dataDir = bench.scratch("bank");
    const { accounts, engine = "sqlite", flags = [], isWatched = false } = options;
    const { store = engine === "memory" ? MEMORY : undefined } = options;
    if (store !== undefined) {
      const process = startBankServer(bench, dataDir, ["--store", store, ...flags]);
      const url = await urlOf(process);
      return new BenchBank(bench, { process, url, dataDir, movements: await fillBank(url, accounts) }, options);
    }
    const prepared = await bench.preparedBank({ accounts });
    await copyBank(prepared, dataDir);
    const nodeFlags = isWatched ? ["--import", STALL_WATCH] : [];
    const process = startBankServer(bench, dataDir, flags, { nodeFlags });
    return new BenchBank(
      bench,
      { process, url: await urlOf(process), dataDir, movements: prepared.movements },
      options,
    );
  }

  /** Of its process; undefined where the system does not tell. */
  residentBytes(): number | undefined {
    return residentBytes(this.process.pid);
  }

  /** How long its main thread has answered nobody at the most since the last time that this was asked, or since its start. */
  async longestStallMs(): Promise<number> {
    const time = ++this.stallsAsked;
    this.process.child.kill("SIGUSR2");
    const [, ms] = await this.process.printed(new RegExp(`^stalls ${time}: (\\S+) ms$`));
    return Number(ms);
  }

  /**
   * Stops it, and proves its journal. What others had it acknowledge besides its own load is added. Undefined when the audit
   * is not clean, which the report then says.
   */
  async stopAndAudit(report: SuiteReport, acknowledgedElsewhere = 0): Promise<Audit | undefined> {
    await this.closeLoad();
    const { engine, store = engine === "memory" ? MEMORY : `sqlite:${this.dataDir}` } = this.options;
    const { name = store === MEMORY ? "the bank on the memory engine" : "the bank" } = this.options;
    const acknowledged = this.acknowledged + acknowledgedElsewhere;
    try {
      const clean = store === MEMORY ? await auditOverWire(this.url, acknowledged) : undefined;
      const code = await this.process.stop();
      if (code !== 0) throw new Error(`${name} ended with ${code}:\n${this.process.said()}`);
      const audited = clean ?? (await auditStore(store, acknowledged));
      report.audited(name, audited);
      return audited;
    } catch (error) {
      report.failures.push(`audit of ${name}: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    } finally {
      await this.bench.forget(this.dataDir);
    }
  }
}

/** Starts a bank server on a free port; from its sources, unless something else is said. */
export function startBankServer(
  bench: Bench,
  dataDir: string,
  flags: readonly string[],
  options: NodeOptions = {},
): Running {
  const args = ["--listen", "127.0.0.1:0", "--data", dataDir, ...flags];
  const main = options.isBuilt === true ? "dist/main.js" : "src/main.ts";
  return bench.processes.startNode("the bank", `${APPS}/bank-server/${main}`, args, options);
}

/** Builds the bank server, as `npm start` does; at once where nothing has changed since the last time. */
export async function buildBankServer({ processes }: Bench): Promise<void> {
  const compiler = fileURLToPath(new URL("bin/tsc", import.meta.resolve("typescript/package.json")));
  const args = [compiler, "-b", `${APPS}/bank-server`];
  await runToEnd(processes, { name: "the compiler", command: process.execPath, args });
}

/** Starts a branch from its sources, on a free port. */
export function startBranchServer(
  bench: Bench,
  options: { number: number; bankUrl: string; dataDir: string },
): Running {
  const { number, bankUrl, dataDir } = options;
  const args = ["--id", String(number), "--bank", bankUrl, "--listen", "127.0.0.1:0", "--data", dataDir];
  return bench.processes.startNode("a branch", `${APPS}/branch-replica/src/main.ts`, args);
}

/** Where a server listens, once it does. */
export async function urlOf(process: Running): Promise<string> {
  const [, url] = await process.printed(/listening on (\S+)$/);
  return url as string;
}

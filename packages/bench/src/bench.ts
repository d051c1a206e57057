import { rmSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type PreparedBank, type PreparedOptions, prepareBank } from "./bank/prepared-bank.ts";
import type { BenchArgs } from "./harness/options.ts";
import { Processes } from "./harness/processes.ts";
import type { RunOptions } from "./load/load-plan.ts";
import type { SuiteReport } from "./report/result.ts";

/** One subject of the benchmark, in a file of its own. */
export interface Suite {
  /** For `--only`. */
  readonly name: string;
  readonly title: string;
  /** Measures everything, and fills the report. */
  readonly run: (bench: Bench, report: SuiteReport) => Promise<void>;
}

/** A few accounts, and many. */
const FEW_ACCOUNTS = 10_000;
const MANY_ACCOUNTS = 1_000_000;
const FEW_ACCOUNTS_QUICK = 1_000;
const MANY_ACCOUNTS_QUICK = 5_000;

/** What all suites share: where they work, how long, and what they have started. */
export class Bench {
  readonly processes: Processes;
  /** A look at whether everything works: one short round of a few rows. */
  readonly quick: boolean;
  readonly rounds: number;
  readonly durationMs: number;
  readonly warmUpMs: number;
  readonly fewAccounts: number;
  readonly manyAccounts: number;
  private readonly folder: string;
  private readonly prepared = new Map<string, Promise<PreparedBank>>();
  private scratchFolders = 0;
  private readonly foldersElsewhere: string[] = [];

  private constructor(folder: string, { quick, rounds }: Pick<BenchArgs<unknown>, "quick" | "rounds">) {
    this.folder = folder;
    this.quick = quick;
    // A quick look is mostly starts of servers, and its figures are none: programs are compiled once for all of them.
    this.processes = new Processes(quick ? { NODE_COMPILE_CACHE: join(folder, "compiled") } : {});
    this.rounds = rounds ?? (quick ? 1 : 3);
    this.durationMs = quick ? 120 : 2_000;
    this.warmUpMs = quick ? 50 : 500;
    this.fewAccounts = quick ? FEW_ACCOUNTS_QUICK : FEW_ACCOUNTS;
    this.manyAccounts = quick ? MANY_ACCOUNTS_QUICK : MANY_ACCOUNTS;
  }

  static async open(options: Pick<BenchArgs<unknown>, "quick" | "rounds">): Promise<Bench> {
    // Beside the bank's usual data, so that the disk is the one that counts.
    await mkdir("data", { recursive: true });
    return new Bench(await mkdtemp(resolve("data", "bench-")), options);
  }

  /** Rows with more or fewer variants: all, or the first of them when it must be quick. */
  variants<T>(all: readonly T[], whenQuick = 1): readonly T[] {
    return this.quick ? all.slice(0, whenQuick) : all;
  }

  runOptions(serverPids: readonly number[]): RunOptions {
    return { durationMs: this.durationMs, warmUpMs: this.warmUpMs, serverPids };
  }

  /** A folder of its own that does not exist yet, on the disk that the bank uses. */
  scratch(name: string): string {
    return join(this.folder, `${++this.scratchFolders}-${name}`);
  }

  async forget(folder: string): Promise<void> {
    await rm(folder, { recursive: true, force: true });
  }

  /** A folder that is not below the benchmark's own, and goes with it. */
  ownFolder(folder: string): void {
    this.foldersElsewhere.push(folder);
  }

  /** A data folder with accounts, made once in a run. */
  async preparedBank(options: PreparedOptions): Promise<PreparedBank> {
    const key = JSON.stringify(options);
    const made = this.prepared.get(key) ?? prepareBank(this.scratch("prepared"), options);
    this.prepared.set(key, made);
    return made;
  }

  /** Nothing that was started runs any more, nothing more can be started, and nothing lies about. */
  async close(): Promise<void> {
    await this.processes.close();
    // At one go: who is interrupted in the middle of a suite still writes until the process ends.
    for (const folder of [...this.foldersElsewhere, this.folder]) rmSync(folder, { recursive: true, force: true });
  }
}

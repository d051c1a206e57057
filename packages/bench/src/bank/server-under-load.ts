import type { Bench } from "../bench.ts";
import { LoadFailedError } from "../load/closed-loop.ts";
import type { LoadWork, RunOptions, RunResult } from "../load/load-plan.ts";
import { LoadProcess } from "../load/load-process.ts";
import type { Measurement, RowFacts, SuiteReport } from "../report/result.ts";

/** A server, whoever's, with a process that asks it. */
export class ServerUnderLoad {
  readonly url: string;
  /** Operations that it has acknowledged so far. */
  acknowledged = 0;
  protected readonly bench: Bench;
  readonly pids: readonly number[];
  private load: LoadProcess | undefined;
  private readonly opened = new Map<string, number>();

  /** @param pids its processes: their processor time is what the server costs. */
  constructor(bench: Bench, url: string, pids: readonly number[]) {
    this.bench = bench;
    this.url = url;
    this.pids = pids;
  }

  /** Measures a load for one round, and adds it to the report. */
  async measure(report: SuiteReport, facts: RowFacts, plan: LoadWork): Promise<Measurement> {
    const measured = measurementOf(await this.run(plan));
    report.add(facts, measured);
    return measured;
  }

  /**
   * Runs a load. Rejects with `LoadFailedError` when it breaks off; what was acknowledged before is counted.
   *
   * @param options how long, where it is not as long as every row.
   */
  async run(plan: LoadWork, options: Partial<RunOptions> = {}): Promise<RunResult> {
    this.load ??= new LoadProcess(this.bench.processes);
    const key = JSON.stringify(plan);
    const load = this.opened.get(key) ?? (await this.load.open({ ...plan, url: this.url }));
    this.opened.set(key, load);
    try {
      const result = await this.load.run(load, { ...this.bench.runOptions(this.pids), ...options });
      if (isWrite(plan)) this.acknowledged += result.acknowledged;
      return result;
    } catch (error) {
      if (error instanceof LoadFailedError && isWrite(plan)) this.acknowledged += error.acknowledged;
      throw error;
    }
  }

  async closeLoad(): Promise<void> {
    await this.load?.close();
    this.load = undefined;
    this.opened.clear();
  }
}

export function measurementOf(result: RunResult): Measurement {
  const { operations, elapsedMs, latencies, serverTime, loadUs } = result;
  const each = (us: number | undefined) => (us === undefined || operations === 0 ? undefined : us / operations);
  return {
    operationsPerSecond: (operations / elapsedMs) * 1_000,
    operations,
    latencies,
    serverUs: each(serverTime?.allUs),
    serverMainUs: each(serverTime?.mainUs),
    loadUs: each(loadUs),
  };
}

function isWrite(plan: LoadWork): boolean {
  if (plan.kind === "movements" || plan.kind === "batch") return true;
  return typeof plan.method === "string" && plan.method !== "empty";
}

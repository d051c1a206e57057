import { positionOf } from "../bank/ask-bank.ts";
import { audit } from "../bank/audit.ts";
import { BenchBank } from "../bank/bench-bank.ts";
import { startBenchBranch } from "../bank/bench-branch.ts";
import { measurementOf, ServerUnderLoad } from "../bank/server-under-load.ts";
import type { Bench, Suite } from "../bench.ts";
import { Fleet, type Layout } from "../following/fleet.ts";
import { lagsMs } from "../following/moments.ts";
import { quantile } from "../harness/quantile.ts";
import type { LoadWork } from "../load/load-plan.ts";
import { short } from "../report/numbers.ts";
import { REASONS } from "../report/reasons.ts";
import { type Measurement, type RowFacts, type Spread, type SuiteReport, spreadOf } from "../report/result.ts";

const FULL = 8_000;

/** In processes of their own, directly behind the bank; ten also as a tree, and fifty in one process. */
const LAYOUTS: readonly Layout[] = [
  { branches: 0 },
  { branches: 3 },
  { branches: 1 },
  { branches: 10 },
  { branches: 10, fanOut: 3 },
  { branches: 50, oneProcess: true },
  { branches: 50, oneProcess: true, fanOut: 7 },
];

interface BranchLoad {
  readonly name: string;
  readonly unit: string;
  readonly batch: number;
  readonly inFlight: number;
  readonly plan: (accounts: number) => LoadWork;
}

const BATCHES: BranchLoad = {
  name: "full batches",
  unit: "transfers",
  batch: FULL,
  inFlight: 2,
  plan: (accounts) => ({ kind: "movements", rows: FULL, ids: "base", inFlight: 2, accounts, distribution: "uniform" }),
};
const SINGLE_64: BranchLoad = {
  name: "session stream, deposit",
  unit: "deposits",
  batch: 1,
  inFlight: 64,
  plan: (accounts) => ({ kind: "pipeline", method: "deposit", inFlight: 64, accounts, distribution: "uniform" }),
};
const SINGLE_1: BranchLoad = {
  name: "Deposit",
  unit: "deposits",
  batch: 1,
  inFlight: 1,
  plan: (accounts) => deposits(accounts, 1),
};
const LOADS = [BATCHES, SINGLE_64, SINGLE_1];

/** What branches cost the bank, how late they are, and what it costs to call through one. */
export const branches: Suite = {
  name: "branches",
  title: "what branches cost the bank, how late they are (µs server: the bank's own), and calls through a branch",
  run: async (bench, report) => {
    for (let round = 0; round < bench.rounds; round++) {
      for (const layout of bench.variants(LAYOUTS, 2)) await measureLayout(bench, report, layout);
      await measureThrough(bench, report);
    }
    summarise(bench, report);
  },
};

async function measureLayout(bench: Bench, report: SuiteReport, layout: Layout): Promise<void> {
  const accounts = bench.fewAccounts;
  const fleet = await Fleet.start(bench, layout, accounts);
  const bank = new ServerUnderLoad(bench, fleet.bankUrl, [fleet.bankPid]);
  for (const load of bench.variants(LOADS, 2)) {
    const plan = load.plan(accounts);
    await bank.run(plan, { warmUpMs: 0, durationMs: bench.warmUpMs });
    // What came before this load is shown everywhere, and noted, first.
    await fleet.show(await positionOf(fleet.bankUrl));
    await fleet.moments();
    const measured = measurementOf(await bank.run(plan, { warmUpMs: 0 }));
    await fleet.show(await positionOf(fleet.bankUrl));
    report.add(facts(load, layout, accounts), { ...measured, ...(await lagOf(fleet)) });
  }
  await bank.closeLoad();
  await fleet.stop();
  try {
    report.audited("banks with branches", await audit(fleet.dataDir, accounts + bank.acknowledged));
  } catch (error) {
    report.failures.push(`audit of a bank with branches: ${error instanceof Error ? error.message : String(error)}`);
  }
  await fleet.forget();
}

/** How much later branches show a batch than the bank has it on disk. */
async function lagOf(fleet: Fleet): Promise<Pick<Measurement, "more">> {
  const { bank, branches: moments } = await fleet.moments();
  const lags = moments.flatMap((branch) => lagsMs(bank, branch)).sort((a, b) => a - b);
  if (lags.length === 0) return {};
  return {
    more: { "lag p50 ms": quantile(lags, 0.5), "lag p99 ms": quantile(lags, 0.99), "batches seen": lags.length },
  };
}

function facts({ name, unit, batch, inFlight }: BranchLoad, layout: Layout, accounts: number): RowFacts {
  const common = { name, unit, batch, inFlight, accounts, durable: true, checked: true } as const;
  return { ...common, distribution: "uniform", server: layoutName(layout) };
}

function layoutName({ branches: count, fanOut, oneProcess }: Layout): string {
  if (count === 0) return "no branch";
  const many = count === 1 ? "1 branch" : `${count} branches`;
  const where = oneProcess ? ", 1 process" : "";
  return `${many}${fanOut === undefined ? "" : `, tree of ${fanOut}`}${where}`;
}

/** The same calls at a branch, which asks the bank: the processor time is that of both. */
async function measureThrough(bench: Bench, report: SuiteReport): Promise<void> {
  const accounts = bench.fewAccounts;
  const bank = await BenchBank.start(bench, { accounts, name: "the bank behind a branch" });
  const branch = await startBenchBranch(bench, bank);
  const through = (name: string, unit: string, batch: number, plan: LoadWork) =>
    branch.server.measure(
      report,
      {
        name,
        server: "through a branch",
        unit,
        durable: true,
        checked: true,
        batch,
        inFlight: plan.inFlight,
        accounts,
        distribution: "uniform",
      },
      plan,
    );
  for (const inFlight of bench.variants([64, 1, 512]))
    await through("Deposit", "deposits", 1, deposits(accounts, inFlight));
  const common = { accounts, distribution: "uniform" } as const;
  for (const inFlight of bench.variants([64, 1, 512]))
    await through("session stream, deposit", "deposits", 1, {
      ...common,
      kind: "pipeline",
      method: "deposit",
      inFlight,
    });
  for (const inFlight of bench.variants([512, 64, 8_192]))
    await through("SDK, one transfer each", "transfers", 1, { ...common, kind: "sdk", method: "transfer", inFlight });
  await through("ExecuteMovements, base id", "transfers", FULL, BATCHES.plan(accounts));
  await branch.stop();
  await bank.stopAndAudit(report, branch.server.acknowledged);
}

function deposits(accounts: number, inFlight: number): LoadWork {
  return { kind: "unary", method: "deposit", connections: 1, inFlight, accounts, distribution: "uniform" };
}

function summarise(bench: Bench, report: SuiteReport): void {
  const accounts = bench.fewAccounts;
  const at = (load: BranchLoad, count: number) => facts(load, { branches: count }, accounts);
  for (const count of [1, 3, 10]) {
    report.compare(`throughput with ${count} / no branch, full batches`, [at(BATCHES, count), at(BATCHES, 0)]);
    const rise = risePerBranch(report, [at(BATCHES, count), at(BATCHES, 0)], count);
    if (rise === undefined && bench.quick) continue;
    report.target(
      `${count} following: the bank's own CPU for a transfer rises by at most 5 % per branch`,
      rise,
      { atMost: 5 },
      (value) => `${short(value)} %`,
    );
  }
  const lag = (load: BranchLoad, count: number) => report.figure(at(load, count), ({ more }) => more?.["lag p99 ms"]);
  const ms = (value: number) => `${short(value)} ms`;
  report.target(
    "lag p99 with 3 branches at full batch load: under 50 ms",
    lag(BATCHES, 3),
    { atMost: 50 },
    ms,
    REASONS.lagWith3,
  );
  report.target(
    "lag p99 with 10 branches and 64 single operations: under 5 ms",
    lag(SINGLE_64, 10),
    { atMost: 5 },
    ms,
    REASONS.lagWith10,
  );
}

/** By how many percent of what it is without branches, for each of them, round by round. */
function risePerBranch(
  report: SuiteReport,
  [withBranches, without]: readonly [RowFacts, RowFacts],
  count: number,
): Spread | undefined {
  const base = report.find(without)?.rounds ?? [];
  const rises = (report.find(withBranches)?.rounds ?? []).flatMap(({ serverUs }, i) => {
    const before = base[i]?.serverUs;
    return serverUs === undefined || before === undefined ? [] : [(100 * (serverUs / before - 1)) / count];
  });
  return rises.length === 0 ? undefined : spreadOf(rises);
}

import { BenchBank } from "../bank/bench-bank.ts";
import { measurementOf, ServerUnderLoad } from "../bank/server-under-load.ts";
import type { Bench, Suite } from "../bench.ts";
import type { LoadWork } from "../load/load-plan.ts";
import { short, whole } from "../report/numbers.ts";
import { REASONS } from "../report/reasons.ts";
import { type Measurement, type RowFacts, type Spread, type SuiteReport, spreadOf } from "../report/result.ts";

/** Never within a run. */
const NEVER = 1_000_000_000;
const PAUSE_MAX_MS = 20;

const WITHOUT = "no snapshots";
const WITH = "snapshots";

/** What is waited for, and how many records call for a snapshot at least. */
interface Way {
  readonly name: string;
  readonly inFlight: number;
  /** So many times as long as other rows: so long that a large state, which waits for as many records as it has accounts, is saved. */
  readonly longer: number;
  readonly snapshotEvery: number;
  readonly snapshotEveryQuick: number;
  readonly plan: (accounts: number) => LoadWork;
  /** A load beside it, whose operations are not what is measured. */
  readonly beside?: (accounts: number) => LoadWork;
}

/** Many callers, each with a deposit at a time, and nothing that takes long by itself. */
const STREAM: Way = {
  name: "session stream, deposit",
  inFlight: 64,
  longer: 18,
  snapshotEvery: 10_000,
  snapshotEveryQuick: 300,
  plan: (accounts) => ({ kind: "pipeline", method: "deposit", inFlight: 64, accounts, distribution: "uniform" }),
};

/** One caller beside batches, which bring the records that call for snapshots and take little time each. */
const BESIDE_BATCHES: Way = {
  name: "Deposit beside batches",
  inFlight: 1,
  longer: 6,
  snapshotEvery: 100_000,
  snapshotEveryQuick: 1_000,
  plan: (accounts) => ({
    kind: "unary",
    method: "deposit",
    connections: 1,
    inFlight: 1,
    accounts,
    distribution: "uniform",
  }),
  beside: (accounts) => ({
    kind: "movements",
    ids: "base",
    rows: 1_000,
    inFlight: 2,
    accounts,
    distribution: "uniform",
  }),
};

/** Whether anybody waits while the state is saved: the same loads with snapshots and without. */
export const snapshots: Suite = {
  name: "snapshots",
  title: "single deposits while the state is saved and while it is not: what snapshots add to the longest waits",
  run: async (bench, report) => {
    for (let round = 0; round < bench.rounds; round++)
      for (const way of [STREAM, BESIDE_BATCHES])
        for (const server of [WITHOUT, WITH]) await measure(bench, report, way, server);
    for (const way of [STREAM, BESIDE_BATCHES]) summarise(bench, report, way);
  },
};

async function measure(bench: Bench, report: SuiteReport, way: Way, server: string): Promise<void> {
  const accounts = bench.manyAccounts;
  const often = bench.quick ? way.snapshotEveryQuick : way.snapshotEvery;
  const bank = await BenchBank.start(bench, {
    accounts,
    flags: ["--snapshot-every", String(server === WITH ? often : NEVER)],
    name: `the bank, ${server}`,
    isWatched: true,
  });
  const beside = new ServerUnderLoad(bench, bank.url, []);
  const durationMs = bench.durationMs * (bench.quick ? 1 : way.longer);
  // What came before it does not count: the stalls of the start, of the first connections and of code that is new.
  await bank.run(way.plan(accounts), { durationMs: bench.warmUpMs, warmUpMs: 0 });
  await bank.longestStallMs();
  const [result] = await Promise.all([
    bank.run(way.plan(accounts), { durationMs }),
    way.beside === undefined ? undefined : beside.run(way.beside(accounts), { durationMs }),
  ]);
  const stallMs = await bank.longestStallMs();
  await beside.closeLoad();
  const audited = await bank.stopAndAudit(report, beside.acknowledged);
  const measured = measurementOf(result);
  // With batches beside, they are most of what the server does, and no deposits.
  const processor = way.beside === undefined ? {} : { serverUs: undefined, serverMainUs: undefined };
  report.add(facts(way, accounts, server), {
    ...measured,
    ...processor,
    more: {
      "longest ms": measured.latencies.maxMs,
      "longest stall of the main thread ms": stallMs,
      ...(way.beside === undefined ? {} : { "transfers beside": beside.acknowledged }),
      snapshots: audited?.snapshots ?? 0,
    },
  });
}

type Pick = (measurement: Measurement) => number | undefined;
const longest: Pick = ({ more }) => more?.["longest ms"];
const stall: Pick = ({ more }) => more?.["longest stall of the main thread ms"];
const p999: Pick = ({ latencies }) => latencies.p999Ms;

function summarise(bench: Bench, report: SuiteReport, way: Way): void {
  const accounts = bench.manyAccounts;
  const [withThem, without] = [facts(way, accounts, WITH), facts(way, accounts, WITHOUT)];
  report.compare(`${way.name}: longest wait with / without snapshots`, [withThem, without], longest);
  report.compare(`${way.name}: p99.9 with / without snapshots`, [withThem, without], p999);
  report.compare(`${way.name}: longest stall of the main thread with / without`, [withThem, without], stall);
  const saved = report.figure(withThem, ({ more }) => more?.["snapshots"]);
  const isSaved = (saved?.min ?? 0) > 0;
  if (!isSaved)
    report.miss(`${way.name}: in some round no snapshot was saved while the load ran: nothing is known of their cost`);
  const ms = (value: number) => `${short(value)} ms`;
  const bound = { atMost: PAUSE_MAX_MS };
  const size = `${way.name}, ${whole(accounts)} accounts are saved`;
  const text = `${size}: no wait above ${PAUSE_MAX_MS} ms`;
  report.target(text, isSaved ? report.figure(withThem, longest) : undefined, bound, ms, REASONS.snapshotPause);
  const added = isSaved ? addedMs(report, [withThem, without]) : undefined;
  report.target(`${size}: adds at most ${PAUSE_MAX_MS} ms to the longest wait`, added, bound, ms, REASONS.snapshotAdds);
}

/** By how much the longest wait is longer with snapshots than without, round by round. */
function addedMs(report: SuiteReport, [withThem, without]: readonly [RowFacts, RowFacts]): Spread | undefined {
  const base = report.find(without)?.rounds.map(longest) ?? [];
  const added = (report.find(withThem)?.rounds ?? []).flatMap((measured, i) => {
    const [more, less] = [longest(measured), base[i]];
    return more === undefined || less === undefined ? [] : [more - less];
  });
  return added.length === 0 ? undefined : spreadOf(added);
}

function facts({ name, inFlight }: Way, accounts: number, server: string): RowFacts {
  const common = { unit: "deposits", durable: true, checked: true, batch: 1, inFlight, accounts } as const;
  return { ...common, name, server, distribution: "uniform" };
}

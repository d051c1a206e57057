import { BenchBank } from "../bank/bench-bank.ts";
import { measurementOf, ServerUnderLoad } from "../bank/server-under-load.ts";
import type { Bench, Suite } from "../bench.ts";
import { short, whole } from "../report/numbers.ts";
import type { RowFacts, SuiteReport } from "../report/result.ts";

/** Batches beside them bring the records that call for snapshots, and take little time each. */
const BATCH = 1_000;
const BATCHES_IN_FLIGHT = 2;
const IN_FLIGHT = 1;
/** So long that a large state is saved at least once. */
const LONGER = 6;
/** Never within a run. */
const NEVER = 1_000_000_000;
const OFTEN = 100_000;

const WITHOUT = "no snapshots";
const WITH = "snapshots";

/** Whether anybody waits while the state is saved: single deposits beside batches, with snapshots and without. */
export const snapshots: Suite = {
  name: "snapshots",
  title: "single deposits beside batches of transfers, while the state is saved and while it is not",
  run: async (bench, report) => {
    const accounts = bench.manyAccounts;
    for (let round = 0; round < bench.rounds; round++)
      for (const server of [WITHOUT, WITH]) await measureBeside(bench, report, server);
    const longest = ({ more }: { readonly more?: Readonly<Record<string, number>> | undefined }) =>
      more?.["longest ms"];
    report.compare("longest wait with / without snapshots", [facts(accounts, WITH), facts(accounts, WITHOUT)], longest);
    const saved = report.figure(facts(accounts, WITH), ({ more }) => more?.["snapshots"]);
    if ((saved?.min ?? 0) === 0)
      report.miss("in some round no snapshot was saved while the load ran: nothing is known of their cost");
    report.target(
      `no wait above 20 ms while snapshots of ${whole(accounts)} accounts are saved`,
      report.figure(facts(accounts, WITH), longest),
      { atMost: 20 },
      (value) => `${short(value)} ms`,
    );
  },
};

async function measureBeside(bench: Bench, report: SuiteReport, server: string): Promise<void> {
  const accounts = bench.manyAccounts;
  const every = server === WITH ? OFTEN : NEVER;
  const flags = ["--snapshot-every", String(bench.quick && server === WITH ? 1_000 : every)];
  const bank = await BenchBank.start(bench, { accounts, flags, name: `the bank, ${server}` });
  const beside = new ServerUnderLoad(bench, bank.url, []);
  const durationMs = bench.durationMs * (bench.quick ? 1 : LONGER);
  const common = { accounts, distribution: "uniform" } as const;
  const [single] = await Promise.all([
    bank.run({ ...common, kind: "unary", method: "deposit", connections: 1, inFlight: IN_FLIGHT }, { durationMs }),
    beside.run({ ...common, kind: "movements", ids: "base", rows: BATCH, inFlight: BATCHES_IN_FLIGHT }, { durationMs }),
  ]);
  const measured = measurementOf(single);
  await beside.closeLoad();
  const audited = await bank.stopAndAudit(report, beside.acknowledged);
  report.add(facts(accounts, server), {
    ...measured,
    // The batches beside are most of it, and no deposits.
    serverUs: undefined,
    serverMainUs: undefined,
    more: {
      "longest ms": measured.latencies.maxMs,
      "transfers beside": beside.acknowledged,
      snapshots: audited?.snapshots ?? 0,
    },
  });
}

function facts(accounts: number, server: string): RowFacts {
  const common = { unit: "deposits", durable: true, checked: true, batch: 1, inFlight: IN_FLIGHT, accounts } as const;
  return { ...common, name: "Deposit beside batches", server, distribution: "uniform" };
}

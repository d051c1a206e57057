import { BenchBank } from "../bank/bench-bank.ts";
import { type BenchBranch, startBenchBranch } from "../bank/bench-branch.ts";
import type { Bench, Suite } from "../bench.ts";
import type { ReadMode } from "../load/load-plan.ts";
import { whole } from "../report/numbers.ts";
import { perSecond, type RowFacts, type SuiteReport } from "../report/result.ts";

const MODES: readonly ReadMode[] = ["linearizable", "session", "local"];
const IN_FLIGHT = [512, 64, 1];

/** Balances, read at a branch. */
export const reads: Suite = {
  name: "reads",
  title: "balances read at a branch (µs server: the branch's own)",
  run: async (bench, report) => {
    for (let round = 0; round < bench.rounds; round++) {
      const bank = await BenchBank.start(bench, { accounts: bench.fewAccounts, name: "the bank that was read from" });
      const branch = await startBenchBranch(bench, bank, "branch");
      for (const inFlight of bench.variants(IN_FLIGHT))
        for (const mode of MODES) {
          await overStream(bench, report, branch, { mode, inFlight });
          await byCalls(bench, report, branch, { mode, inFlight });
        }
      await branch.stop();
      await bank.stopAndAudit(report);
    }
    const accounts = bench.fewAccounts;
    const at = (mode: ReadMode) => report.figure(facts("session stream", { mode, inFlight: 512 }, accounts), perSecond);
    const text = (value: number) => `${whole(value)}/s`;
    const linearizable = at("linearizable");
    report.target(
      "linearizable reads at a branch, 512 in flight over the session stream: at least 20,000/s",
      linearizable,
      { atLeast: 20_000 },
      text,
    );
    const local = at("local");
    report.target("local reads: more than linearizable ones", local, { atLeast: linearizable?.median ?? 0 }, text);
  },
};

interface Reads {
  readonly mode: ReadMode;
  readonly inFlight: number;
}

async function overStream(bench: Bench, report: SuiteReport, { server }: BenchBranch, { mode, inFlight }: Reads) {
  const accounts = bench.fewAccounts;
  await server.measure(report, facts("session stream", { mode, inFlight }, accounts), {
    kind: "pipeline",
    method: { balance: mode },
    inFlight,
    accounts,
    distribution: "uniform",
  });
}

async function byCalls(bench: Bench, report: SuiteReport, { server }: BenchBranch, { mode, inFlight }: Reads) {
  const accounts = bench.fewAccounts;
  await server.measure(report, facts("a call each", { mode, inFlight }, accounts), {
    kind: "unary",
    method: { balance: mode },
    connections: 1,
    inFlight,
    accounts,
    distribution: "uniform",
  });
}

function facts(way: string, { mode, inFlight }: Reads, accounts: number): RowFacts {
  const common = { unit: "reads", durable: false, checked: false, batch: 1, inFlight, accounts } as const;
  return { ...common, name: `${mode} read, ${way}`, distribution: "uniform" };
}

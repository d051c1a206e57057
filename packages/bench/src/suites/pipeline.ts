import { BenchBank } from "../bank/bench-bank.ts";
import type { Bench, Suite } from "../bench.ts";
import type { Distribution } from "../harness/distribution.ts";
import { whole } from "../report/numbers.ts";
import { perSecond, type RowFacts, type SuiteReport } from "../report/result.ts";

const IN_FLIGHT = [64, 1, 512];

interface Calls {
  readonly method: "deposit" | "transfer";
  readonly inFlight: number;
  readonly accounts: number;
  readonly distribution: Distribution;
}

/** Single operations, pipelined over one session stream. */
export const pipeline: Suite = {
  name: "pipeline",
  title: "single operations over one session stream, beside a call for each",
  run: async (bench, report) => {
    for (let round = 0; round < bench.rounds; round++) await measureRound(bench, report);
    const few = { method: "deposit", accounts: bench.fewAccounts, distribution: "uniform" } as const;
    for (const inFlight of bench.variants(IN_FLIGHT, 1))
      report.compare(`stream / a call each, ${inFlight} in flight`, [
        facts({ ...few, inFlight }),
        unaryFacts({ ...few, inFlight }),
      ]);
    const measured = report.figure(facts({ ...few, inFlight: 64 }), perSecond);
    const text = "session stream, 64 in flight: at least 30,000/s";
    report.target(text, measured, { atLeast: 30_000 }, (value) => `${whole(value)}/s`);
  },
};

async function measureRound(bench: Bench, report: SuiteReport): Promise<void> {
  const accounts = bench.fewAccounts;
  const few = await BenchBank.start(bench, { accounts });
  const uniform = { method: "deposit", accounts, distribution: "uniform" } as const;
  for (const inFlight of bench.variants(IN_FLIGHT, 1)) {
    await measure(few, report, { ...uniform, inFlight });
    await few.measure(report, unaryFacts({ ...uniform, inFlight }), {
      kind: "unary",
      ...{ ...uniform, inFlight, connections: 1 },
    } as const);
  }
  await measure(few, report, { ...uniform, method: "transfer", inFlight: 64 });
  await measure(few, report, { ...uniform, distribution: "hot", inFlight: 64 });
  await few.stopAndAudit(report);
  if (bench.quick) return;
  const many = await BenchBank.start(bench, { accounts: bench.manyAccounts, name: "the bank with many accounts" });
  for (const distribution of ["uniform", "zipfian", "hot"] as const)
    await measure(many, report, { ...uniform, accounts: bench.manyAccounts, distribution, inFlight: 64 });
  await many.stopAndAudit(report);
}

function measure(bank: BenchBank, report: SuiteReport, calls: Calls) {
  return bank.measure(report, facts(calls), { kind: "pipeline", ...calls });
}

function facts({ method, inFlight, accounts, distribution }: Calls): RowFacts {
  const unit = `${method}s`;
  const name = `session stream, ${method}`;
  return { name, unit, durable: true, checked: true, batch: 1, inFlight, accounts, distribution };
}

function unaryFacts(calls: Calls): RowFacts {
  return { ...facts(calls), name: `a call each, ${calls.method}` };
}

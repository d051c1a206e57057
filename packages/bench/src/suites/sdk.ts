import { BenchBank } from "../bank/bench-bank.ts";
import type { Bench, Suite } from "../bench.ts";
import type { Distribution } from "../harness/distribution.ts";
import { short, whole } from "../report/numbers.ts";
import { REASONS } from "../report/reasons.ts";
import { perSecond, type RowFacts, type SuiteReport } from "../report/result.ts";

const CALLERS = [64, 512, 1, 8_192, 65_536];
const MANY_CALLERS = 65_536;
/** A collapse: with so many callers less than this part of what 512 get. */
const COLLAPSE = 0.5;

interface Callers {
  readonly callers: number;
  readonly accounts: number;
  readonly distribution: Distribution;
}

/** Callers that each wait for one transfer, through one client of the SDK. */
export const sdk: Suite = {
  name: "sdk",
  title: "callers of one client of the SDK, each waiting for its own transfer",
  run: async (bench, report) => {
    for (let round = 0; round < bench.rounds; round++) await measureRound(bench, report);
    const at = (callers: number) => facts({ callers, accounts: bench.fewAccounts, distribution: "uniform" });
    const text = (value: number) => `${whole(value)}/s`;
    for (const [callers, atLeast, reason] of [
      [64, 80_000, REASONS.sdk64],
      [512, 280_000, REASONS.sdk512],
    ] as const)
      report.target(
        `SDK, ${callers} callers: at least ${whole(atLeast)}/s`,
        report.figure(at(callers), perSecond),
        { atLeast },
        text,
        reason,
      );
    const ratio = report.compare(`${whole(MANY_CALLERS)} callers / 512`, [at(MANY_CALLERS), at(512)]);
    const collapse = `SDK, no collapse at ${whole(MANY_CALLERS)} callers: at least ${COLLAPSE} of 512`;
    report.target(collapse, ratio, { atLeast: COLLAPSE }, (value) => `${short(value)} times`);
  },
};

async function measureRound(bench: Bench, report: SuiteReport): Promise<void> {
  const accounts = bench.fewAccounts;
  const few = await BenchBank.start(bench, { accounts });
  for (const callers of bench.variants(CALLERS, 2))
    await measure(few, report, { callers, accounts, distribution: "uniform" });
  if (!bench.quick)
    for (const distribution of ["zipfian", "hot"] as const)
      await measure(few, report, { callers: 512, accounts, distribution });
  await few.stopAndAudit(report);
  if (bench.quick) return;
  const many = await BenchBank.start(bench, { accounts: bench.manyAccounts, name: "the bank with many accounts" });
  for (const distribution of ["uniform", "zipfian", "hot"] as const)
    await measure(many, report, { callers: 512, accounts: bench.manyAccounts, distribution });
  await many.stopAndAudit(report);
}

function measure(bank: BenchBank, report: SuiteReport, { callers, accounts, distribution }: Callers) {
  const plan = { kind: "sdk", method: "transfer", inFlight: callers, accounts, distribution } as const;
  return bank.measure(report, facts({ callers, accounts, distribution }), plan);
}

function facts({ callers, accounts, distribution }: Callers): RowFacts {
  const common = { unit: "transfers", durable: true, checked: true, batch: 1, accounts, distribution };
  return { ...common, name: "SDK, one transfer each", inFlight: callers };
}

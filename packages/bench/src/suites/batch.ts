import { mkdir } from "node:fs/promises";
import { BenchBank } from "../bank/bench-bank.ts";
import type { Bench, Suite } from "../bench.ts";
import type { Distribution } from "../harness/distribution.ts";
import { measureSqliteAppend } from "../raw/limits.ts";
import { short, whole } from "../report/numbers.ts";
import { REASONS } from "../report/reasons.ts";
import { perSecond, type RowFacts, type SuiteReport } from "../report/result.ts";

const BATCHES = [8_000, 100, 10, 1_000];
const FULL = 8_000;
/** While the bank works on one batch the next is being decoded. */
const IN_FLIGHT = 2;
const MORE_IN_FLIGHT = 4;
const MEMORY = "memory engine";
const FRESH = "fresh bank";
const DISTRIBUTIONS: readonly Distribution[] = ["uniform", "hot", "zipfian"];
/** What a full batch takes in the journal, nearly. */
const FULL_FRAME_BYTES = 280_000;
const AIM = 1_000_000;

const BASE = "ExecuteMovements, base id";
const EACH = "ExecuteMovements, own ids";
const MESSAGES = "ExecuteBatch, messages";

/** Transfers in batches, by columns and by messages. */
export const batch: Suite = {
  name: "batch",
  title: "transfers in batches: by columns, and by messages",
  run: async (bench, report) => {
    for (let round = 0; round < bench.rounds; round++) {
      await measureRound(bench, report);
      const distributions = bench.variants(DISTRIBUTIONS, 2);
      // Another one comes first each time: what is first in a round has no advantage in all of them.
      for (let i = 0; i < distributions.length; i++)
        await measureFresh(bench, report, distributions[(round + i) % distributions.length] as Distribution);
    }
    summarise(bench, report);
  },
};

async function measureRound(bench: Bench, report: SuiteReport): Promise<void> {
  const accounts = bench.fewAccounts;
  const [few, memory, many] = await Promise.all([
    BenchBank.start(bench, { accounts }),
    BenchBank.start(bench, { accounts, engine: "memory" }),
    BenchBank.start(bench, { accounts: bench.manyAccounts, name: "the bank with many accounts" }),
  ]);
  // Both sides of each comparison in turn.
  for (const ids of ["base", "each"] as const) {
    const full = { ids, rows: FULL, inFlight: IN_FLIGHT, accounts } as const;
    await measureMovements(few, report, full);
    await measureMovements(memory, report, full, MEMORY);
    await measureMovements(many, report, { ...full, accounts: bench.manyAccounts });
    if (ids === "base") await measureAppends(bench, report);
  }
  if (!bench.quick)
    for (const distribution of ["hot", "zipfian"] as const) {
      const full = { ids: "base", rows: FULL, inFlight: IN_FLIGHT, distribution } as const;
      await measureMovements(many, report, { ...full, accounts: bench.manyAccounts });
    }
  for (const rows of bench.variants(BATCHES, 2)) {
    if (rows !== FULL)
      for (const ids of ["base", "each"] as const)
        await measureMovements(few, report, { ids, rows, inFlight: IN_FLIGHT, accounts });
    if (bench.quick && rows === FULL) continue;
    await few.measure(report, messagesFacts(rows, accounts), {
      kind: "batch",
      rows,
      inFlight: IN_FLIGHT,
      accounts,
      distribution: "uniform",
    });
  }
  await measureMovements(few, report, { ids: "base", rows: FULL, inFlight: MORE_IN_FLIGHT, accounts });
  for (const bank of [few, memory, many]) await bank.stopAndAudit(report);
}

/** A bank of its own for each, so that none has more snapshots, history or journal behind it than the others. */
async function measureFresh(bench: Bench, report: SuiteReport, distribution: Distribution): Promise<void> {
  const bank = await BenchBank.start(bench, { accounts: bench.fewAccounts, name: "fresh banks" });
  const full = { ids: "base", rows: FULL, inFlight: IN_FLIGHT, accounts: bench.fewAccounts, distribution } as const;
  await measureMovements(bank, report, full, FRESH);
  await bank.stopAndAudit(report);
}

/** How often SQLite takes a blob of that size, in the same run: no bank on it is quicker. */
async function measureAppends(bench: Bench, report: SuiteReport): Promise<void> {
  const folder = bench.scratch("appends");
  await mkdir(folder);
  const appended = measureSqliteAppend(folder, bench.durationMs, new Uint8Array(FULL_FRAME_BYTES).fill(7));
  const { operations, operationsPerSecond } = appended;
  report.add(APPEND, { ...appended, operations: operations * FULL, operationsPerSecond: operationsPerSecond * FULL });
  await bench.forget(folder);
}

interface Movements {
  readonly rows: number;
  readonly ids: "base" | "each";
  readonly inFlight: number;
  readonly accounts: number;
  readonly distribution?: Distribution;
}

function measureMovements(bank: BenchBank, report: SuiteReport, movements: Movements, server?: string) {
  const plan = { kind: "movements", distribution: "uniform", ...movements } as const;
  return bank.measure(report, movementsFacts(movements, server), plan);
}

function movementsFacts(
  { rows, ids, inFlight, accounts, distribution = "uniform" }: Movements,
  server?: string,
): RowFacts {
  const name = ids === "base" ? BASE : EACH;
  const common = { unit: "transfers", checked: true, batch: rows, inFlight, accounts, distribution };
  return { ...common, name, durable: server !== MEMORY, ...(server === undefined ? {} : { server }) };
}

function messagesFacts(rows: number, accounts: number): RowFacts {
  return { ...movementsFacts({ rows, ids: "each", inFlight: IN_FLIGHT, accounts }), name: MESSAGES };
}

const APPEND: RowFacts = {
  name: "SQLite append of a full batch",
  server: "disk",
  unit: "transfers",
  durable: true,
  checked: false,
  batch: FULL,
  inFlight: 1,
};

function summarise(bench: Bench, report: SuiteReport): void {
  const accounts = bench.fewAccounts;
  const full = { rows: FULL, ids: "base", inFlight: IN_FLIGHT, accounts } as const;
  const own = movementsFacts(full);
  const each = movementsFacts({ ...full, ids: "each" });
  const times = (value: number) => `${short(value)} times`;
  const perSecondText = (value: number) => `${whole(value)}/s`;
  const text = `batch of ${whole(FULL)}, everything on: at least 500,000/s (aim ${whole(AIM)})`;
  report.target(`${text}, one base id`, report.figure(own, perSecond), { atLeast: 500_000 }, perSecondText);
  const eachRate = report.figure(each, perSecond);
  report.target(`${text}, an id each`, eachRate, { atLeast: 500_000 }, perSecondText, REASONS.batchOwnIds);
  const memory = report.compare("disk / memory engine, one base id", [own, movementsFacts(full, MEMORY)]);
  report.compare("disk / memory engine, an id each", [each, movementsFacts({ ...full, ids: "each" }, MEMORY)]);
  report.compare("bank / SQLite append alone", [own, APPEND]);
  report.target("batch: at least 0.85 of the same server on the memory engine", memory, { atLeast: 0.85 }, times);
  for (const rows of bench.variants(BATCHES, 2)) {
    const columns = movementsFacts({ ...full, ids: "each", rows });
    report.compare(`columns / messages, batch of ${whole(rows)}`, [columns, messagesFacts(rows, accounts)]);
  }
  const fresh = (distribution: Distribution) => movementsFacts({ ...full, distribution }, FRESH);
  const hot = report.compare("one hot account / uniform, a fresh bank each", [fresh("hot"), fresh("uniform")]);
  report.compare("zipfian / uniform, a fresh bank each", [fresh("zipfian"), fresh("uniform")]);
  report.target("one hot account: at least 0.9 of uniform", hot, { atLeast: 0.9 }, times, REASONS.hotAccount);
  const manyFacts = movementsFacts({ ...full, accounts: bench.manyAccounts });
  const many = report.compare(`${whole(bench.manyAccounts)} / ${whole(accounts)} accounts`, [manyFacts, own]);
  const which = `${whole(bench.manyAccounts)} accounts: at least 0.85 of ${whole(accounts)}`;
  report.target(which, many, { atLeast: 0.85 }, times, REASONS.manyAccounts);
}

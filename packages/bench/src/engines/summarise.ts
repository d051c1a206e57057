import { short } from "../report/numbers.ts";
import { REASONS } from "../report/reasons.ts";
import type { RowFacts, SuiteReport } from "../report/result.ts";
import { LIMITS } from "./own-limits.ts";
import { POSTGRES } from "./postgres.ts";
import { REDIS, REDIS_WITHOUT_ROWS } from "./redis.ts";
import { ENGINES, type LoadName, loadFacts, loadsOf, MEMORY, SQLITE } from "./rows.ts";

/** Ratios between engines, to their own limits, and what is asked for. */
export function summarise(
  report: SuiteReport,
  options: { readonly accounts: number; readonly pgbenchAccounts: number },
): void {
  const { accounts, pgbenchAccounts } = options;
  const loads = loadsOf(accounts);
  const at = (load: LoadName, engine: string) => loadFacts(loads[load], engine);
  const pgbench = (facts: RowFacts): RowFacts => ({ ...facts, accounts: pgbenchAccounts });
  for (const load of ["batch8000", "stream"] as const) {
    const { name } = loads[load];
    for (const engine of ENGINES)
      if (engine !== MEMORY) report.compare(`${name}: ${engine} / ${MEMORY}`, [at(load, engine), at(load, MEMORY)]);
  }
  const full = "full batches: bank";
  report.compare(`${full} on ${SQLITE} / its append alone`, [at("batch8000", SQLITE), LIMITS.sqliteFull]);
  report.compare(`${full} on ${POSTGRES} / its INSERT alone`, [at("batch8000", POSTGRES), LIMITS.insertFull]);
  report.compare(`${full} on ${REDIS} / its SET alone`, [at("batch8000", REDIS), LIMITS.setFull]);
  report.compare(`${full} on ${REDIS_WITHOUT_ROWS} / its SET alone`, [
    at("batch8000", REDIS_WITHOUT_ROWS),
    LIMITS.setFull,
  ]);
  report.compare(`session stream on ${REDIS} / redis-benchmark SET, 64 clients`, [at("stream", REDIS), LIMITS.set]);
  const stream = at("stream", POSTGRES);
  const one = `session stream on ${POSTGRES}, 64 in flight`;
  report.compare(`${one} / pgbench simple-update, 64 clients`, [stream, pgbench(LIMITS.simple64)]);
  const overUnary = new Map(
    ENGINES.map((engine) => {
      const text = `session stream / a call each, 64 in flight, on ${engine}`;
      return [engine, report.compare(text, [at("stream", engine), at("unary", engine)])];
    }),
  );
  const tpcB = report.compare(`batch of 8,000 on ${POSTGRES} / pgbench TPC-B-like, 16 clients`, [
    at("batch8000", POSTGRES),
    pgbench(LIMITS.tpcB),
  ]);
  const simple = report.compare(`${one} / pgbench simple-update, 16 clients`, [stream, pgbench(LIMITS.simple)]);
  const times = (value: number) => `${short(value)} times`;
  report.target(`batch of 8,000 on ${POSTGRES}: at least 40 times TPC-B-like`, tpcB, { atLeast: 40 }, times);
  report.target(`${one}: at least twice simple-update`, simple, { atLeast: 2 }, times, REASONS.engineStream);
  report.target(`${one}: no less than a call each`, overUnary.get(POSTGRES), { atLeast: 1 }, times);
}

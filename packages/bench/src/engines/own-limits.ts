import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Bench } from "../bench.ts";
import { PGBENCH_CLIENTS, type Pgbench, type PgbenchRun, pgbenchAccounts } from "../peers/pgbench.ts";
import { measureFsync, measureSqliteAppend, SMALL_BYTES } from "../raw/limits.ts";
import type { Measurement, RowFacts, SuiteReport } from "../report/result.ts";
import { type BenchPostgres, POSTGRES } from "./postgres.ts";
import { type BenchRedis, REDIS } from "./redis.ts";
import { measureRedis, type RedisBenchmark } from "./redis-benchmark.ts";
import { FULL, SINGLE_IN_FLIGHT, SQLITE } from "./rows.ts";

/** What a full batch with one base id takes in the journal, nearly. */
const FULL_FRAME_BYTES = 280_000;
/** A deposit in the journal, nearly. */
const DEPOSIT_BYTES = 82;
const PIPELINED = 16;
const LARGE_CLIENTS = 2;

const row = (name: string, server: string, more: Partial<RowFacts> = {}): RowFacts => ({
  name,
  server,
  unit: "writes",
  durable: true,
  checked: false,
  batch: 1,
  inFlight: 1,
  ...more,
});

/** What disk and engines reach by themselves. A full batch is counted as so many transfers. */
export const LIMITS = {
  sync: row("fdatasync of 1,000 bytes", "disk"),
  syncFull: row("fdatasync of a full batch", "disk", { batch: FULL }),
  sqlite: row("append of 1,000 bytes", SQLITE),
  sqliteFull: row("append of a full batch", SQLITE, { batch: FULL }),
  tpcB: row("pgbench TPC-B-like", POSTGRES, { inFlight: PGBENCH_CLIENTS }),
  simple: row("pgbench simple-update", POSTGRES, { inFlight: PGBENCH_CLIENTS }),
  simple64: row("pgbench simple-update", POSTGRES, { inFlight: SINGLE_IN_FLIGHT }),
  insertFull: row("pgbench INSERT of a full batch", POSTGRES, { batch: FULL, inFlight: LARGE_CLIENTS }),
  set: row("redis-benchmark SET", REDIS, { inFlight: SINGLE_IN_FLIGHT }),
  setPipelined: row(`redis-benchmark SET, ${PIPELINED} in one`, REDIS, { inFlight: SINGLE_IN_FLIGHT * PIPELINED }),
  setFull: row("redis-benchmark SET of a full batch", REDIS, { batch: FULL, inFlight: LARGE_CLIENTS }),
} as const satisfies Record<string, RowFacts>;

/** The disk and SQLite, with the settings of the store. */
export async function measureDisk(bench: Bench, report: SuiteReport): Promise<void> {
  const folder = bench.scratch("limits");
  await mkdir(folder);
  const { durationMs } = bench;
  const full = new Uint8Array(FULL_FRAME_BYTES).fill(7);
  report.add(LIMITS.sync, measureFsync(folder, durationMs));
  report.add(LIMITS.syncFull, inTransfers(measureFsync(folder, durationMs, full.length)));
  report.add(LIMITS.sqlite, measureSqliteAppend(folder, durationMs, full.subarray(0, SMALL_BYTES)));
  report.add(LIMITS.sqliteFull, inTransfers(measureSqliteAppend(folder, durationMs, full)));
  await bench.forget(folder);
}

/** Rows of the size of a full batch are copied from one that is there: they come over no connection. */
export async function preparePostgres(server: BenchPostgres): Promise<string> {
  const script = join(server.folder, "insert-full.sql");
  const bytes = `(SELECT string_agg(sha256(i::text::bytea), ''::bytea) FROM generate_series(1, ${FULL_FRAME_BYTES / 32}) AS i)`;
  await server.sql(`CREATE TABLE full_batches (id bigserial PRIMARY KEY, frame bytea NOT NULL);
    ALTER TABLE full_batches ALTER COLUMN frame SET STORAGE EXTERNAL;
    INSERT INTO full_batches (frame) SELECT ${bytes}`);
  await writeFile(script, "INSERT INTO full_batches (frame) SELECT frame FROM full_batches WHERE id = 1;\n");
  return script;
}

/** @param script what `preparePostgres` gave. */
export async function measurePostgres(
  bench: Bench,
  report: SuiteReport,
  { pgbench, script }: { readonly pgbench: Pgbench; readonly script: string },
): Promise<void> {
  const accounts = pgbenchAccounts(bench);
  const measure = async (facts: RowFacts, work: PgbenchRun["work"]) => {
    const measured = await pgbench.measure({ work, clients: facts.inFlight });
    report.add(facts, facts.batch === 1 ? measured : inTransfers(measured));
  };
  await measure({ ...LIMITS.tpcB, accounts }, "tpcb-like");
  await measure({ ...LIMITS.simple, accounts }, "simple-update");
  if (!bench.quick) await measure({ ...LIMITS.simple64, accounts }, "simple-update");
  await measure(LIMITS.insertFull, { file: script });
}

export async function measureRedisAlone(bench: Bench, report: SuiteReport, redis: BenchRedis): Promise<void> {
  const measure = async (facts: RowFacts, asked: RedisBenchmark) => {
    const measured = await measureRedis(bench, redis, asked);
    report.add(facts, facts.batch === 1 ? measured : inTransfers(measured));
  };
  const small = { clients: SINGLE_IN_FLIGHT, valueBytes: DEPOSIT_BYTES };
  await measure(LIMITS.set, { ...small, pipelined: 1 });
  await measure(LIMITS.setPipelined, { ...small, pipelined: PIPELINED });
  await measure(LIMITS.setFull, { clients: LARGE_CLIENTS, pipelined: 1, valueBytes: FULL_FRAME_BYTES });
}

function inTransfers(measured: Measurement): Measurement {
  const { operations, operationsPerSecond, serverUs } = measured;
  return {
    ...measured,
    operations: operations * FULL,
    operationsPerSecond: operationsPerSecond * FULL,
    serverUs: serverUs === undefined ? undefined : serverUs / FULL,
  };
}

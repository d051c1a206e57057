import { stat } from "node:fs/promises";
import { BenchBank } from "../bank/bench-bank.ts";
import { measurementOf } from "../bank/server-under-load.ts";
import type { Bench, Suite } from "../bench.ts";
import type { EngineServer } from "../engines/engine-server.ts";
import { measureDisk, measurePostgres, measureRedisAlone, preparePostgres } from "../engines/own-limits.ts";
import { BenchPostgres } from "../engines/postgres.ts";
import { BenchRedis, REDIS, REDIS_WITHOUT_ROWS } from "../engines/redis.ts";
import { type EngineLoad, loadFacts, loadsOf, MEMORY, SQLITE } from "../engines/rows.ts";
import { summarise } from "../engines/summarise.ts";
import { Pgbench, pgbenchAccounts } from "../peers/pgbench.ts";
import type { SuiteReport } from "../report/result.ts";

/** The same bank on each engine, and what each engine reaches by itself. */
export const engines: Suite = {
  name: "engines",
  title: "the same bank on each engine, with a new store filled by calls; and what each engine reaches by itself",
  run: async (bench, report) => {
    const postgres = await started(report, () => preparedPostgres(bench));
    if (postgres !== undefined && (await isElsewhere(postgres.server.folder)))
      report.note(
        "PostgreSQL's files are on another disk than those of the others: its rows say nothing beside theirs",
      );
    for (let round = 0; round < bench.rounds; round++) {
      await measureDisk(bench, report);
      await measureBank(bench, report, { engine: MEMORY, store: "memory:" });
      await measureSqlite(bench, report);
      if (postgres !== undefined) {
        await measureEngine(bench, report, postgres.server);
        await measurePostgres(bench, report, postgres);
      }
      // A server of its own for each: none has the file of the other to write anew.
      for (const name of bench.variants([REDIS, REDIS_WITHOUT_ROWS] as const)) {
        const redis = await started(report, () => BenchRedis.start(bench, name));
        if (redis === undefined) continue;
        await measureEngine(bench, report, redis);
        if (name === REDIS) await measureRedisAlone(bench, report, redis);
        await redis.stop();
      }
    }
    await postgres?.server.stop();
    summarise(report, { accounts: bench.fewAccounts, pgbenchAccounts: pgbenchAccounts(bench) });
  },
};

/** Whether a folder is on another disk than the benchmark's data. */
async function isElsewhere(folder: string): Promise<boolean> {
  const [there, here] = await Promise.all([stat(folder), stat("data")]);
  return there.dev !== here.dev;
}

/** What is not installed is told loudly. */
async function started<T>(report: SuiteReport, start: () => Promise<T>): Promise<T | undefined> {
  try {
    return await start();
  } catch (error) {
    report.miss(error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

async function preparedPostgres(bench: Bench) {
  const server = await BenchPostgres.start(bench);
  return { server, pgbench: await Pgbench.on(bench, server), script: await preparePostgres(server) };
}

async function measureSqlite(bench: Bench, report: SuiteReport): Promise<void> {
  const folder = bench.scratch("sqlite");
  await measureBank(bench, report, { engine: SQLITE, store: `sqlite:${folder}` });
  await bench.forget(folder);
}

async function measureEngine(bench: Bench, report: SuiteReport, server: EngineServer): Promise<void> {
  const store = await server.newStore();
  await measureBank(bench, report, { engine: server.name, store, server });
  await server.forget(store);
}

interface OnEngine {
  readonly engine: string;
  readonly store: string;
  /** Where it is a process of its own. */
  readonly server?: EngineServer;
}

async function measureBank(bench: Bench, report: SuiteReport, { engine, store, server }: OnEngine): Promise<void> {
  const accounts = bench.fewAccounts;
  const bank = await BenchBank.start(bench, { accounts, store, name: `the bank on ${engine}` });
  const loads = Object.values(loadsOf(accounts)).filter(({ isQuick }) => isQuick || !bench.quick);
  for (const load of loads) await measureLoad(bank, report, { load, engine, server });
  await bank.stopAndAudit(report);
}

async function measureLoad(
  bank: BenchBank,
  report: SuiteReport,
  {
    load,
    engine,
    server,
  }: { readonly load: EngineLoad; readonly engine: string; readonly server: EngineServer | undefined },
): Promise<void> {
  const before = server?.processorUs();
  const result = await bank.run(load.work);
  const after = server?.processorUs();
  const measured = measurementOf(result);
  // Of all that was acknowledged: its time is read before the warm-up and behind it.
  const engineUs =
    before === undefined || after === undefined
      ? {}
      : { more: { "engine µs": (after - before) / result.acknowledged } };
  report.add(loadFacts(load, engine), { ...measured, ...engineUs });
}

import { depositOnce } from "../bank/ask-bank.ts";
import { audit } from "../bank/audit.ts";
import { buildBankServer, startBankServer, urlOf } from "../bank/bench-bank.ts";
import { ServerUnderLoad } from "../bank/server-under-load.ts";
import type { Bench, Suite } from "../bench.ts";
import { processorTime, residentBytes } from "../harness/process-cost.ts";
import type { Running } from "../harness/processes.ts";
import { LoadFailedError } from "../load/closed-loop.ts";
import { short, whole } from "../report/numbers.ts";
import { REASONS } from "../report/reasons.ts";
import { p50, type RowFacts, type SuiteReport } from "../report/result.ts";

const TRANSFERS = 10_000_000;
const TRANSFERS_QUICK = 10_000;
const FULL = 8_000;
const IN_FLIGHT = 2;
/** How long the load runs that a bank is killed under. */
const LOAD_MS = 5_000;
const LOAD_MS_QUICK = 400;

const AFTER_STOP = "start, after a clean stop";
const AFTER_KILL = "start, after kill -9 under full load";
const EMPTY = "start of an empty bank";

/** As `npm start` runs it: what the compiler made of it. */
const BUILT = { isBuilt: true };

/** How long a bank takes from the start of its process to its first durable write. */
export const startup: Suite = {
  name: "startup",
  title: "from the start of the process to the first durable write; all in milliseconds",
  run: async (bench, report) => {
    const transfers = bench.quick ? TRANSFERS_QUICK : TRANSFERS;
    const accounts = bench.manyAccounts;
    await buildBankServer(bench);
    const { folder, movements } = await bench.preparedBank({ accounts, transfers });
    report.note(
      `the journal begins with ${whole(accounts)} accounts and ${whole(transfers)} transfers, and grows by what the load adds`,
    );
    // Of a bank that has lived: with its anchor, and what else it leaves.
    let acknowledged = movements + 1;
    await (await firstWrite(bench, folder)).process.stop();
    let unknown = 0;
    for (let round = 0; round < bench.rounds; round++) {
      await measureEmpty(bench, report);
      const stopped = await firstWrite(bench, folder);
      report.add(facts(AFTER_STOP, accounts), stopped.measurement);
      const killed = await killUnderLoad(bench, stopped.process, stopped.url, accounts);
      const again = await firstWrite(bench, folder);
      report.add(facts(AFTER_KILL, accounts), again.measurement);
      acknowledged += killed + 2;
      unknown += IN_FLIGHT * FULL;
      const code = await again.process.stop();
      if (code !== 0) throw new Error(`the bank ended with ${code}:\n${again.process.said()}`);
    }
    report.audited(
      "the bank that was killed",
      await audit(folder, { atLeast: acknowledged, atMost: acknowledged + unknown }),
    );
    report.note(
      "what was under way when the bank was killed may be in the journal or not; all that was acknowledged is",
    );
    const size = `${whole(accounts)} accounts, ${whole(transfers)} transfers`;
    const ms = (value: number) => `${short(value)} ms`;
    const time = (name: string) => report.figure(facts(name, accounts), p50);
    report.target(
      `start with ${size}, after a clean stop: under 3 s`,
      time(AFTER_STOP),
      { atMost: 3_000 },
      ms,
      REASONS.cleanStart,
    );
    report.target(
      `start with ${size}, after kill -9 under full load: under 5 s`,
      time(AFTER_KILL),
      { atMost: 5_000 },
      ms,
      REASONS.killedStart,
    );
  },
};

async function measureEmpty(bench: Bench, report: SuiteReport): Promise<void> {
  const folder = bench.scratch("empty");
  const startedMs = performance.now();
  const process = startBankServer(bench, folder, [], BUILT);
  await urlOf(process);
  const elapsedMs = performance.now() - startedMs;
  // There is no account to pay into: that it listens is all.
  report.add(facts(EMPTY, 0), measurementOf(elapsedMs, elapsedMs, process));
  await process.stop();
  await bench.forget(folder);
}

async function firstWrite(bench: Bench, folder: string) {
  const startedMs = performance.now();
  const process = startBankServer(bench, folder, [], BUILT);
  const url = await urlOf(process);
  const listeningMs = performance.now() - startedMs;
  await depositOnce(url);
  return { process, url, measurement: measurementOf(performance.now() - startedMs, listeningMs, process) };
}

function measurementOf(ms: number, listeningMs: number, { pid }: Running) {
  const bytes = residentBytes(pid);
  const used = processorTime(pid);
  return {
    operationsPerSecond: 1_000 / ms,
    operations: 1,
    latencies: { calls: 1, p50Ms: ms, p99Ms: ms, p999Ms: ms, maxMs: ms },
    more: {
      "listens after ms": listeningMs,
      ...(used === undefined ? {} : { "processor ms": used.allUs / 1_000, "main thread ms": used.mainUs / 1_000 }),
      ...(bytes === undefined ? {} : { "resident MB": bytes / 2 ** 20 }),
    },
  };
}

/** Gives how many transfers were acknowledged before. */
async function killUnderLoad(bench: Bench, process: Running, url: string, accounts: number): Promise<number> {
  const server = new ServerUnderLoad(bench, url, [process.pid]);
  const loadMs = bench.quick ? LOAD_MS_QUICK : LOAD_MS;
  const plan = {
    kind: "movements",
    rows: FULL,
    ids: "each",
    inFlight: IN_FLIGHT,
    accounts,
    distribution: "uniform",
  } as const;
  // It opens its connection before the clock of the kill begins to run.
  await server.run(plan, { warmUpMs: 0, durationMs: bench.warmUpMs });
  const broken = server.run(plan, { warmUpMs: 0, durationMs: 10 * loadMs }).then(
    () => {
      throw new Error("the load outlived the bank");
    },
    (error: unknown) => {
      if (!(error instanceof LoadFailedError)) throw error;
    },
  );
  const timer = setTimeout(() => void process.kill(), loadMs);
  await broken;
  clearTimeout(timer);
  await process.kill();
  await server.closeLoad();
  return server.acknowledged;
}

function facts(name: string, accounts: number): RowFacts {
  return { name, unit: "starts", durable: true, checked: true, batch: 1, inFlight: 1, accounts };
}

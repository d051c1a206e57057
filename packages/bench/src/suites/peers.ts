import { BenchBank } from "../bank/bench-bank.ts";
import type { Bench, Suite } from "../bench.ts";
import { processorTimeOf } from "../harness/process-cost.ts";
import {
  type Peer,
  PYTHON_MEMORY,
  PYTHON_REDIS,
  startPythonMemory,
  startPythonRedis,
  stopPeers,
} from "../peers/peer-servers.ts";
import { PGBENCH_CLIENTS, Pgbench, pgbenchAccounts } from "../peers/pgbench.ts";
import { Python } from "../peers/python.ts";
import { short } from "../report/numbers.ts";
import { REASONS } from "../report/reasons.ts";
import type { RowFacts, SuiteReport } from "../report/result.ts";

const PYTHON_IN_FLIGHT = 16;

/** What others do: a Python client with ordinary code against three servers, and PostgreSQL's own benchmark. */
export const peers: Suite = {
  name: "peers",
  title: "one Python client against three servers; PostgreSQL with row locks",
  run: async (bench, report) => {
    const python = await Python.find(bench, []);
    if (python === undefined) report.miss("the Python client: no python3 with grpc and grpc_tools is installed");
    else await comparePythonServers(bench, report, python);
    await measurePostgres(bench, report);
  },
};

async function comparePythonServers(bench: Bench, report: SuiteReport, python: Python): Promise<void> {
  const accounts = bench.fewAccounts;
  const peers: Peer[] = [];
  for (const start of [startPythonMemory, startPythonRedis])
    await start(bench, accounts).then(
      (peer) => peers.push(peer),
      (error: unknown) => report.miss(error instanceof Error ? error.message : String(error)),
    );
  for (let round = 0; round < bench.rounds; round++) {
    const bank = await BenchBank.start(bench, { accounts });
    const acknowledged = await runClient(bench, report, python, {
      kind: "bank",
      server: bank,
      facts: clientFacts(accounts),
    });
    for (const { name, server } of peers)
      await runClient(bench, report, python, { kind: "peer", server, facts: clientFacts(accounts, name) });
    await bank.stopAndAudit(report, acknowledged);
  }
  await stopPeers(peers);
  const own = clientFacts(accounts);
  const times = (value: number) => `${short(value)} times`;
  const memory = report.compare(`bank, durable / ${PYTHON_MEMORY}`, [own, clientFacts(accounts, PYTHON_MEMORY)]);
  const redis = report.compare(`bank, durable / ${PYTHON_REDIS}`, [own, clientFacts(accounts, PYTHON_REDIS)]);
  const who = `one Python client, ${PYTHON_IN_FLIGHT} in flight`;
  report.target(`${who}: no slower than ${PYTHON_MEMORY}`, memory, { atLeast: 1 }, times, REASONS.pythonClient);
  report.target(`${who}: at least 5 times ${PYTHON_REDIS}`, redis, { atLeast: 5 }, times, REASONS.pythonRedis);
}

function clientFacts(accounts: number, server?: string): RowFacts {
  const isBank = server === undefined;
  return {
    name: "Deposit from Python",
    ...(isBank ? {} : { server }),
    unit: "deposits",
    durable: isBank,
    checked: isBank,
    batch: 1,
    inFlight: PYTHON_IN_FLIGHT,
    accounts,
    distribution: "uniform",
  };
}

/** What the client prints. */
interface ClientFigures {
  readonly calls: number;
  readonly acknowledged: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  readonly processorSeconds: number;
}

/** Gives how many deposits were acknowledged. */
async function runClient(
  bench: Bench,
  report: SuiteReport,
  python: Python,
  asked: { readonly kind: "bank" | "peer"; readonly server: Peer["server"]; readonly facts: RowFacts },
): Promise<number> {
  const { kind, server, facts } = asked;
  const { durationMs, warmUpMs } = bench.runOptions([]);
  const words = [
    kind,
    new URL(server.url).host,
    facts.accounts,
    PYTHON_IN_FLIGHT,
    warmUpMs / 1_000,
    durationMs / 1_000,
  ];
  const client = python.start("the Python client", "python-client/client.py", words.map(String));
  await client.printed(/^measuring$/);
  const before = processorTimeOf(server.pids);
  const [line] = await client.printed(/^\{.*\}$/);
  const after = processorTimeOf(server.pids);
  const code = await client.ended;
  if (code !== 0) throw new Error(`the Python client ended with ${code}:\n${client.said()}`);
  const figures = JSON.parse(line) as ClientFigures;
  const { calls, seconds, p50Ms, p99Ms, p999Ms, maxMs } = figures;
  report.add(facts, {
    operationsPerSecond: calls / seconds,
    operations: calls,
    latencies: { calls, p50Ms, p99Ms, p999Ms, maxMs },
    serverUs: before === undefined || after === undefined ? undefined : (after.allUs - before.allUs) / calls,
    loadUs: (figures.processorSeconds * 1e6) / calls,
  });
  return figures.acknowledged;
}

async function measurePostgres(bench: Bench, report: SuiteReport): Promise<void> {
  let pgbench: Pgbench;
  try {
    pgbench = await Pgbench.start(bench);
  } catch (error) {
    report.miss(error instanceof Error ? error.message : String(error));
    return;
  }
  for (let round = 0; round < bench.rounds; round++) report.add(postgresFacts(bench), await pgbench.measure());
  const sum = await pgbench.audit();
  report.note(`audit of PostgreSQL: accounts, tellers and branches have the same sum, ${sum}`);
  await pgbench.stop();
}

function postgresFacts(bench: Bench): RowFacts {
  return {
    name: "pgbench TPC-B-like",
    server: "PostgreSQL",
    unit: "transactions",
    durable: true,
    checked: false,
    batch: 1,
    inFlight: PGBENCH_CLIENTS,
    accounts: pgbenchAccounts(bench),
    distribution: "uniform",
  };
}

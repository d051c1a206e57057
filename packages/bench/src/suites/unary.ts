import { mkdir } from "node:fs/promises";
import { BenchBank } from "../bank/bench-bank.ts";
import type { ServerUnderLoad } from "../bank/server-under-load.ts";
import type { Bench, Suite } from "../bench.ts";
import type { UnaryMethod } from "../load/load-plan.ts";
import { GRPC_JS, type Peer, PYTHON_MEMORY, PYTHON_REDIS, startPeers, stopPeers } from "../peers/peer-servers.ts";
import { measureFsync } from "../raw/limits.ts";
import { short } from "../report/numbers.ts";
import { REASONS } from "../report/reasons.ts";
import { p50, type RowFacts, type Spread, type SuiteReport, spreadOf } from "../report/result.ts";

const IN_FLIGHT = [64, 1, 512];
const SLOW_PATH = "quick path off";

/** A call for each deposit: gRPC by hand on plain sockets, and the same code drives all servers. */
export const unary: Suite = {
  name: "unary",
  title: "a gRPC call for each deposit; one load generator drives all servers",
  run: async (bench, report) => {
    const accounts = bench.fewAccounts;
    const peers = await startPeers(bench, report, accounts);
    for (let round = 0; round < bench.rounds; round++) await measureRound(bench, report, peers);
    await stopPeers(peers);
    summarise(bench, report);
  },
};

async function measureRound(bench: Bench, report: SuiteReport, peers: readonly Peer[]): Promise<void> {
  const accounts = bench.fewAccounts;
  const [bank, slow] = await Promise.all([
    BenchBank.start(bench, { accounts }),
    BenchBank.start(bench, { accounts, name: "the bank, quick path off", flags: ["--no-quick-unary"] }),
  ]);
  const fsyncFolder = bench.scratch("fsync");
  await mkdir(fsyncFolder);
  for (const inFlight of bench.variants(IN_FLIGHT, 2)) {
    await measureCalls(bank, report, depositFacts(accounts, inFlight), "deposit");
    await measureCalls(slow, report, { ...depositFacts(accounts, inFlight), server: SLOW_PATH }, "deposit");
    for (const { name, server } of peers)
      await measureCalls(server, report, peerFacts(accounts, inFlight, name), "peer deposit");
    if (inFlight === 1) {
      await measureCalls(bank, report, EMPTY, "empty");
      report.add(FSYNC, measureFsync(fsyncFolder, bench.durationMs));
    }
  }
  await bank.measure(
    report,
    { ...depositFacts(accounts, 64), name: "Deposit, 4 connections" },
    {
      ...deposits(accounts, 64),
      connections: 4,
    },
  );
  await bench.forget(fsyncFolder);
  await bank.stopAndAudit(report);
  await slow.stopAndAudit(report);
  if (bench.quick) return;
  const many = await BenchBank.start(bench, { accounts: bench.manyAccounts, name: "the bank with many accounts" });
  for (const distribution of ["uniform", "zipfian", "hot"] as const)
    await many.measure(
      report,
      { ...depositFacts(bench.manyAccounts, 64), distribution },
      { ...deposits(bench.manyAccounts, 64), distribution },
    );
  await many.stopAndAudit(report);
}

function deposits(accounts: number, inFlight: number) {
  return { kind: "unary", method: "deposit", connections: 1, accounts, distribution: "uniform", inFlight } as const;
}

function measureCalls(server: ServerUnderLoad, report: SuiteReport, facts: RowFacts, method: UnaryMethod) {
  const { inFlight } = facts;
  const accounts = facts.accounts ?? 3;
  const plan = { kind: "unary", method, connections: 1, accounts, distribution: "uniform", inFlight } as const;
  return server.measure(report, facts, plan);
}

function depositFacts(accounts: number, inFlight: number): RowFacts {
  return {
    name: "Deposit",
    unit: "deposits",
    durable: true,
    checked: true,
    batch: 1,
    inFlight,
    accounts,
    distribution: "uniform",
  };
}

/** They look whether the account is there, and know no limits. */
function peerFacts(accounts: number, inFlight: number, server: string): RowFacts {
  return { ...depositFacts(accounts, inFlight), server, durable: false, checked: false };
}

const EMPTY: RowFacts = {
  name: "empty call (GetPosition)",
  unit: "calls",
  durable: false,
  checked: false,
  batch: 1,
  inFlight: 1,
};
const FSYNC: RowFacts = { ...EMPTY, name: "fdatasync of 1,000 bytes", unit: "syncs", durable: true, server: "disk" };

function summarise(bench: Bench, report: SuiteReport): void {
  const accounts = bench.fewAccounts;
  const own = (inFlight: number) => depositFacts(accounts, inFlight);
  const ratios = new Map<string, Spread | undefined>();
  for (const inFlight of bench.variants(IN_FLIGHT, 2)) {
    const against = (server: string, facts: RowFacts) =>
      ratios.set(
        `${server} ${inFlight}`,
        report.compare(`bank, durable / ${server}, ${inFlight} in flight`, [own(inFlight), facts]),
      );
    against(SLOW_PATH, { ...own(inFlight), server: SLOW_PATH });
    for (const name of [GRPC_JS, PYTHON_MEMORY, PYTHON_REDIS]) against(name, peerFacts(accounts, inFlight, name));
  }
  const times = (value: number) => `${short(value)} times`;
  for (const [name, reason] of [
    [PYTHON_MEMORY, REASONS.unaryPython],
    [GRPC_JS, REASONS.unaryGrpcJs],
  ] as const)
    report.target(
      `unary, 64 in flight: at least 2.5 times ${name} (aim 3.5)`,
      ratios.get(`${name} 64`),
      { atLeast: 2.5 },
      times,
      reason,
    );
  report.target(
    "unary, 1 in flight: p50 at most 1.5 times (empty call + one fsync)",
    overheadOfOne(accounts, report),
    { atMost: 1.5 },
    times,
    REASONS.loneDeposit,
  );
}

/** p50 of a deposit, over that of an empty call and of an fsync together: round by round. */
function overheadOfOne(accounts: number, report: SuiteReport): Spread | undefined {
  const [deposit, empty, sync] = [depositFacts(accounts, 1), EMPTY, FSYNC].map((facts) => report.find(facts)?.rounds);
  if (deposit === undefined || empty === undefined || sync === undefined) return undefined;
  return spreadOf(
    deposit.flatMap((measured, i) => {
      const [call, disk] = [empty[i], sync[i]];
      return call === undefined || disk === undefined ? [] : [p50(measured) / (p50(call) + p50(disk))];
    }),
  );
}

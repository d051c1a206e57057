import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  aboutHistory,
  checkHistory,
  type History,
  HistoryRecorder,
  type Operation,
  RecordTranslator,
  type Report,
} from "@bank/checker";
import { type BankClient, connectBank } from "@bank/client";
import { followJournal, Nemesis, type NemesisEvent, Random, ServerClient } from "@bank/testkit";
import { type Counter, Customer } from "./customer.ts";
import { FaultCluster } from "./fault-cluster.ts";

export interface FaultRunOptions {
  readonly seed: number;
  /** How long faults come and go, in milliseconds. */
  readonly forMs: number;
  /** Default: 3. */
  readonly branches?: number;
  /** Whether the last branch follows the first one. Default: yes. */
  readonly isTree?: boolean;
  /** Default: 6. */
  readonly customers?: number;
  /** Which faults come: those whose name it matches. Default: all. */
  readonly only?: RegExp;
  /** Faults at a time. Default: 2. */
  readonly atOnceMax?: number;
  /** Told what happens, a line at a time. */
  readonly print?: (line: string) => void;
}

/** What a run gave. */
export interface FaultRun {
  readonly history: History;
  readonly report: Report;
  readonly faults: readonly NemesisEvent[];
  /** Servers whose state at the end was not that of the bank; none where all is well. */
  readonly differing: readonly string[];
}

const ACCOUNTS = 4;
const OPENING_MINOR = 200n;
/** For everything to come back after the faults. */
const RECOVERY_TIMEOUT_MS = 30_000;
const CALM_MS = [100, 600] as const;
/** From a stumble to an outage that every limit of time notices. */
const FAULT_MS = [50, 3_500] as const;

/**
 * Real servers, customers at all of them, faults for a while; then everything must come back, and what the customers saw
 * is checked against the journal.
 * Rejects when a server does not come back, or a customer's session was lost.
 */
export async function runFaults(options: FaultRunOptions): Promise<FaultRun> {
  const { seed, forMs, branches = 3, isTree = true, customers = 6, only = /./, atOnceMax = 2 } = options;
  const dataDir = await mkdtemp(join(tmpdir(), "bank-faults-"));
  let cluster: FaultCluster | undefined;
  let setUp: BankClient | undefined;
  try {
    cluster = await FaultCluster.start({ dataDir, branches, isTree, seed });
    setUp = connectBank({ server: cluster.bank.url, timeoutMs: RECOVERY_TIMEOUT_MS });
    const operations: Operation[] = [];
    const recorder = new HistoryRecorder(
      (operation) => operations.push(operation),
      () => performance.now(),
    );
    await allRegistered(setUp, branches);
    const accounts = await openAccounts(setUp, recorder);
    const random = new Random(seed);
    const everybody: Customer[] = [];
    for (let i = 1; i <= customers; i++)
      everybody.push(
        new Customer({
          name: `customer-${i}`,
          counters: await countersOf(setUp, cluster),
          accounts,
          recorder,
          random: new Random(random.word()),
        }),
      );
    const nemesis = new Nemesis({
      seed,
      faults: cluster.faults().filter(({ name }) => only.test(name)),
      forMs,
      calmMs: CALM_MS,
      faultMs: FAULT_MS,
      atOnceMax,
    });
    const stop = new AbortController();
    const trading = Promise.all(everybody.map((customer) => customer.trade(stop.signal)));
    // What goes wrong with a customer ends the faults.
    const faulty = trading.catch(() => stop.abort());
    const [faults] = await Promise.all([nemesis.run(stop.signal), Promise.race([delay(forMs), faulty])]);
    stop.abort();
    await trading;
    options.print?.(nemesis.describe());
    for (const customer of everybody) await customer.lookAround();
    const differing = await differingServers(cluster);
    recorder.close();
    const history = await readHistory(cluster, operations, seed);
    return {
      history,
      report: checkHistory(history),
      faults,
      differing,
    };
  } finally {
    setUp?.close();
    await cluster?.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** One customer's clients of every server, which share a session. */
async function countersOf(client: BankClient, { bank, branches }: FaultCluster): Promise<Counter[]> {
  const own = client.withSession();
  const counters: Counter[] = [{ name: bank.name, client: own }];
  for (const { name, branch } of branches) counters.push({ name, client: await own.branch(branch) });
  return counters;
}

async function allRegistered(client: BankClient, branches: number): Promise<void> {
  const deadlineMs = performance.now() + RECOVERY_TIMEOUT_MS;
  // The head office is one of them.
  for (let known = 0; known <= branches; known = (await client.branches()).branches.length)
    if (performance.now() > deadlineMs) throw new Error(`only ${known} branches are registered`);
}

/** Accounts with some money, and their opening in the history. */
async function openAccounts(client: BankClient, recorder: HistoryRecorder): Promise<string[]> {
  const accounts: string[] = [];
  for (let i = 0; i < ACCOUNTS; i++) {
    const opening = randomUUID();
    const endOpening = recorder.write({ client: "set-up", kind: "openAccount", currency: "USD", request: opening });
    const { account, position } = await client.openAccount({ currency: "USD" }, { requestId: opening });
    endOpening({ status: "ok", position, account: account.number });
    const request = randomUUID();
    const end = recorder.write({
      client: "set-up",
      kind: "deposit",
      account: account.number,
      amount: OPENING_MINOR,
      request,
    });
    const money = { currency: "USD", minor: OPENING_MINOR };
    const booked = await client.deposit(account.number, money, { requestId: request });
    end({ status: "ok", position: booked.position });
    accounts.push(account.number);
  }
  return accounts;
}

/** What customers saw, and the bank's journal beside it. */
async function readHistory(cluster: FaultCluster, operations: readonly Operation[], seed: number): Promise<History> {
  const server = new ServerClient(cluster.bank.url);
  try {
    const { position } = await server.journal.getPosition({});
    const journal = await followJournal(server, Number(position));
    const translator = new RecordTranslator();
    return {
      about: aboutHistory({ description: "customers at all servers, under faults", seed: String(seed) }),
      accounts: [],
      records: journal.records.map((each) => translator.translate(each.position, each.timeMs, each.record)),
      operations,
    };
  } finally {
    server.close();
  }
}

/** Names of the branches that, once they show what the bank has committed, show another state. */
async function differingServers(cluster: FaultCluster): Promise<string[]> {
  const differing: string[] = [];
  for (const { name, url, branch } of cluster.branches) {
    const client = connectBank({ server: url, timeoutMs: RECOVERY_TIMEOUT_MS });
    const bank = connectBank({ server: cluster.bank.url, timeoutMs: RECOVERY_TIMEOUT_MS });
    try {
      const there = await statusOf(client, branch);
      const here = await statusOf(bank, 0);
      if (there?.digest !== here?.digest || there?.appliedPosition !== here?.appliedPosition) differing.push(name);
    } finally {
      client.close();
      bank.close();
    }
  }
  return differing;
}

async function statusOf(client: BankClient, branch: number) {
  const { branches } = await client.branches();
  return branches.find(({ number }) => number === branch)?.status;
}

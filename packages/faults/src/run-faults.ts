import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { checkHistory, type History, HistoryRecorder, type Operation, type Report } from "@bank/checker";
import { type BankClient, connectBank } from "@bank/client";
import { Nemesis, type NemesisEvent, Random } from "@bank/testkit";
import { type Accounts, Customer, type CustomerOptions } from "./customer.ts";
import { FaultCluster } from "./fault-cluster.ts";
import { differingServers, readHistory } from "./last-look.ts";
import type { Scenario } from "./scenarios.ts";
import { type Session, SessionPool } from "./sessions.ts";

export interface FaultRunOptions {
  readonly scenario: Scenario;
  readonly seed: number;
  /** How long faults come and go, in milliseconds. */
  readonly forMs: number;
  /** Default: 12. */
  readonly customers?: number;
  /** How long everything may take to come back after the faults, in milliseconds. Default: 30,000. */
  readonly recoveryMs?: number;
}

/** What a run gave. */
export interface FaultRun {
  readonly history: History;
  readonly report: Report;
  readonly faults: readonly NemesisEvent[];
  /** What the nemesis did, as text. */
  readonly story: string;
  /** What did not come back, what differed from the bank at the end, and what no customer should be told. */
  readonly troubles: readonly string[];
}

const ACCOUNTS = 4;
const OPENING_MINOR = 200n;
const SPARE_SESSIONS = 3;
/** For servers that have just started. */
const SET_UP_TIMEOUT_MS = 30_000;
const RECOVERY_MS = 30_000;
/** More of them say nothing new. */
const TROUBLES_MAX = 20;

/**
 * Real servers, customers at all of them, faults for a while; then everything must come back, and what the customers saw
 * is checked against the journal. What goes wrong is in the result; rejects only when the servers do not even start.
 */
export async function runFaults(options: FaultRunOptions): Promise<FaultRun> {
  const { scenario, seed } = options;
  const dataDir = await mkdtemp(join(tmpdir(), "bank-faults-"));
  let cluster: FaultCluster | undefined;
  const clients: BankClient[] = [];
  try {
    cluster = await FaultCluster.start({ ...scenario, dataDir, seed });
    const operations: Operation[] = [];
    const recorder = new HistoryRecorder(
      (operation) => operations.push(operation),
      () => performance.now(),
    );
    const setUp = connectBank({ server: cluster.bank.url, timeoutMs: SET_UP_TIMEOUT_MS });
    clients.push(setUp);
    await prepare(setUp, scenario);
    const accounts = await openAccounts(setUp, recorder);
    const troubles = new Set<string>();
    const customers = await customersOf(cluster, {
      ...options,
      accounts,
      recorder,
      clients,
      onNever: ({ message }) => {
        if (troubles.size < TROUBLES_MAX) troubles.add(`a customer was told: ${message}`);
      },
    });
    return await underFaults(cluster, { ...options, customers, recorder, operations, troubles });
  } finally {
    for (const client of clients) client.close();
    await cluster?.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function underFaults(
  cluster: FaultCluster,
  options: Omit<FaultRunOptions, "customers"> & {
    readonly customers: readonly Customer[];
    readonly recorder: HistoryRecorder;
    readonly operations: readonly Operation[];
    readonly troubles: Set<string>;
  },
): Promise<FaultRun> {
  const { scenario, seed, forMs, recoveryMs = RECOVERY_MS, customers, recorder, operations, troubles } = options;
  const stop = new AbortController();
  const nemesis = new Nemesis({
    seed,
    faults: cluster.faults().filter(({ name }) => scenario.faults.test(name)),
    forMs,
    calmMs: scenario.calmMs,
    faultMs: scenario.faultMs,
    atOnceMax: scenario.atOnceMax,
  });
  // A customer who cannot go on ends the run.
  const trading = customers.map((customer) =>
    customer.trade(stop.signal).catch((error: unknown) => {
      troubles.add(`${customer.name}: ${textOf(error)}`);
      stop.abort();
    }),
  );
  const over = new AbortController();
  const lasting = delay(forMs, undefined, { signal: stop.signal })
    .catch(() => {
      // It was ended early.
    })
    // Restarts take their time, and what was planned behind them is late: it is left out.
    .then(() => over.abort());
  const faults = await nemesis.run(over.signal).catch((error: unknown) => {
    troubles.add(textOf(error));
    return nemesis.log;
  });
  await lasting;
  stop.abort();
  await Promise.all(trading);
  const looks = customers.map(async (customer) => {
    const isWell = await customer.lookAround(recoveryMs).catch((error: unknown) => {
      troubles.add(`${customer.name}: ${textOf(error)}`);
      return true;
    });
    if (!isWell) troubles.add(`${customer.name} is not answered everywhere after the faults`);
  });
  await Promise.all(looks);
  for (const differing of await differingServers(cluster, recoveryMs)) troubles.add(differing);
  recorder.close();
  const history = await readHistory(cluster, { operations, seed, scenario, timeoutMs: recoveryMs, troubles });
  return { history, report: checkHistory(history), faults, story: nemesis.describe(), troubles: [...troubles] };
}

/** All branches are registered, and those that shall count do. */
async function prepare(client: BankClient, { branches, copies }: Scenario): Promise<void> {
  const deadlineMs = performance.now() + SET_UP_TIMEOUT_MS;
  const connected = async () => {
    const { branches: known } = await client.branches();
    return known.filter(({ number, status }) => number > 0 && status?.connected === true).length;
  };
  for (let known = await connected(); known < branches; known = await connected())
    if (performance.now() > deadlineMs) throw new Error(`only ${known} branches are connected`);
  if (copies > 0) await client.setDurability({ copies, branches: [1, 2] });
}

async function customersOf(
  cluster: FaultCluster,
  options: Pick<FaultRunOptions, "seed" | "customers"> & {
    readonly accounts: Accounts;
    readonly recorder: HistoryRecorder;
    readonly clients: BankClient[];
    readonly onNever: CustomerOptions["onNever"];
  },
): Promise<Customer[]> {
  const { seed, customers = 12, accounts, recorder, clients, onNever } = options;
  const random = new Random(seed);
  const pool = new SessionPool(cluster.places, SPARE_SESSIONS);
  const doors = cluster.places.map(({ door }) => door);
  const everybody: Customer[] = [];
  let shared: Session | undefined;
  for (let i = 1; i <= customers; i++) {
    const name = `customer-${i}`;
    // Not all prefer the same server where the SDK chooses.
    const servers = [...doors.slice(i % doors.length), ...doors.slice(0, i % doors.length)];
    const client = connectBank({ servers, timeoutMs: SET_UP_TIMEOUT_MS });
    clients.push(client);
    // The first two share one session at the same time.
    const session: Session = i === 2 && shared !== undefined ? shared : await pool.begin(`session-${i}`, client);
    shared ??= session;
    const isOwn = session !== shared;
    const own = { name, client, session, pool: isOwn ? pool : undefined };
    everybody.push(new Customer({ ...own, accounts, recorder, onNever, random: new Random(random.word()) }));
  }
  return everybody;
}

/** Accounts with some money, and their opening in the history. */
async function openAccounts(client: BankClient, recorder: HistoryRecorder): Promise<Accounts> {
  const accounts: string[] = [];
  for (let i = 0; i <= ACCOUNTS; i++) {
    const opening = randomUUID();
    const endOpening = recorder.write({ client: "set-up", kind: "openAccount", currency: "USD", request: opening });
    const { account, position } = await client.openAccount({ currency: "USD" }, { requestId: opening });
    endOpening({ status: "ok", position, account: account.number });
    const request = randomUUID();
    const deposit = { kind: "deposit", account: account.number, amount: OPENING_MINOR } as const;
    const end = recorder.write({ client: "set-up", request, ...deposit });
    const money = { currency: "USD", minor: OPENING_MINOR };
    const booked = await client.deposit(account.number, money, { requestId: request });
    end({ status: "ok", position: booked.position });
    accounts.push(account.number);
  }
  const [withHolds = "", ...open] = accounts;
  return { open, withHolds };
}

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.message}` : String(error);
}

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkHistory, type History, HistoryRecorder, type Operation, type Report } from "@bank/checker";
import { type BankClient, connectBank } from "@bank/client";
import { Nemesis, type NemesisEvent } from "@bank/testkit";
import type { Customer } from "./customer.ts";
import { FaultCluster } from "./fault-cluster.ts";
import { differingServers, readHistory } from "./last-look.ts";
import type { Scenario } from "./scenarios.ts";
import { customersOf, openAccounts, SET_UP_TIMEOUT_MS, whenConnected } from "./set-up.ts";
import type { WriteGap } from "./shared/fault-timeline.ts";
import { runShared } from "./shared/run-shared.ts";
import { lookAround, tradeUnderFaults } from "./trading.ts";

export interface FaultRunOptions {
  readonly scenario: Scenario;
  readonly seed: number;
  /** How long faults come and go, in milliseconds. */
  readonly forMs: number;
  /** Default: 12, and 10 where several bank servers share a database. */
  readonly customers?: number;
  /** How long everything may take to come back after the faults, in milliseconds. Default: 30,000. */
  readonly recoveryMs?: number;
  /**
   * Of several bank servers: writes through branches go on within so many milliseconds behind each fault, or the run has a
   * trouble. Default: 5,000.
   */
  readonly gapMaxMs?: number;
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
  /** Of several bank servers: how long it took behind each fault until writes went on. */
  readonly gaps?: readonly WriteGap[];
}

const CUSTOMERS = 12;
const RECOVERY_MS = 30_000;
/** More of them say nothing new. */
const TROUBLES_MAX = 20;

/**
 * Real servers, customers at all of them, faults for a while; then everything must come back, and what the customers saw
 * is checked against the journal. What goes wrong is in the result; rejects only when the servers do not even start.
 */
export async function runFaults(options: FaultRunOptions): Promise<FaultRun> {
  const { scenario, seed } = options;
  if (scenario.servers !== undefined) return runShared(options);
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
    await whenConnected(setUp, scenario.branches);
    if (scenario.copies > 0) await setUp.setDurability({ copies: scenario.copies, branches: [1, 2] });
    const accounts = await openAccounts(setUp, recorder);
    const troubles = new Set<string>();
    const customers = await customersOf({
      seed,
      customers: options.customers ?? CUSTOMERS,
      places: cluster.places,
      doors: cluster.places.map(({ door }) => door),
      accounts,
      recorder,
      clients,
      onNever: (problem) => {
        if (troubles.size < TROUBLES_MAX) troubles.add(problem);
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
  const nemesis = new Nemesis({
    seed,
    faults: cluster.faults().filter(({ name }) => scenario.faults.test(name)),
    forMs,
    calmMs: scenario.calmMs,
    faultMs: scenario.faultMs,
    atOnceMax: scenario.atOnceMax,
  });
  const faults = await tradeUnderFaults({ customers, nemesis, forMs, troubles });
  await lookAround(customers, { timeoutMs: recoveryMs, troubles });
  for (const differing of await differingServers(cluster, recoveryMs)) troubles.add(differing);
  recorder.close();
  const history = await readHistory(cluster, { operations, seed, scenario, timeoutMs: recoveryMs, troubles });
  return { history, report: checkHistory(history), faults, story: nemesis.describe(), troubles: [...troubles] };
}

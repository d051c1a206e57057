import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { checkHistory, HistoryRecorder, type Operation } from "@bank/checker";
import { type BankClient, connectBank } from "@bank/client";
import { Nemesis, type Random } from "@bank/testkit";
import type { Customer } from "../customer.ts";
import { differingServers } from "../last-look.ts";
import type { FaultRun, FaultRunOptions } from "../run-faults.ts";
import { customersOf, openAccounts, SET_UP_TIMEOUT_MS, whenConnected } from "../set-up.ts";
import { lookAround, textOf, tradeUnderFaults } from "../trading.ts";
import { type Database, LocalDatabase } from "./database.ts";
import { expectedFrom, FaultTimeline, gapsOf, isDoneThroughBranch, type WriteGap } from "./fault-timeline.ts";
import { leaderFaults, timedFaults } from "./leader-faults.ts";
import { SharedCluster } from "./shared-cluster.ts";
import { readSharedHistory } from "./shared-journal.ts";
import type { ServerEnd, SupervisedServer } from "./supervised-server.ts";

export interface SharedRunOptions extends FaultRunOptions {
  /** Default: a `LocalDatabase` of its own. Whoever gives one stops it. */
  readonly database?: Database;
}

const CUSTOMERS = 10;
const SERVERS = 2;
const RECOVERY_MS = 30_000;
const GAP_MAX_MS = 5_000;
const TROUBLES_MAX = 20;
/** Between the first write through each branch behind a fault and the next fault. */
const CALM_MIN_MS = 400;
const CALM_MAX_MS = 1_500;
const LOOK_MS = 20;
const WATCH_MS = 50;
/** Exit codes of a bank server that was replaced: callers told it so, or another has its lease. Started again it waits for its turn. */
const REPLACED: readonly (number | null)[] = [5, 6];

/**
 * Several bank servers on one database, branches that know all of them, and customers at all of these, while whoever leads is
 * killed, paused and cut off. Like `runFaults` otherwise: the journal is read from the database, and behind each fault it is
 * looked at how long it took until writes went on.
 *
 * Rejects with `NoPostgresError` where there is none; else only where the servers do not even start.
 */
export async function runShared(options: SharedRunOptions): Promise<FaultRun> {
  const { scenario, seed } = options;
  const database = options.database ?? (await LocalDatabase.start());
  const dataDir = await mkdtemp(join(tmpdir(), "bank-faults-"));
  let cluster: SharedCluster | undefined;
  const clients: BankClient[] = [];
  try {
    const { servers = SERVERS, branches } = scenario;
    cluster = await SharedCluster.start({ dataDir, servers, branches, seed, storeUrl: database.url });
    const operations: Operation[] = [];
    const writes = new LastWrite();
    const recorder = new HistoryRecorder(
      (operation) => {
        operations.push(operation);
        writes.observe(operation);
      },
      () => performance.now(),
    );
    const setUp = connectBank({ servers: cluster.servers.map(({ url }) => url), timeoutMs: SET_UP_TIMEOUT_MS });
    clients.push(setUp);
    await whenConnected(setUp, branches);
    const accounts = await openAccounts(setUp, recorder);
    const troubles = new Set<string>();
    const banks = cluster.servers.map(({ name, door }) => ({ server: name, door: door.url }));
    const customers = await customersOf({
      seed,
      customers: options.customers ?? CUSTOMERS,
      places: cluster.branches,
      doors: [...cluster.branches.map(({ door }) => door), ...banks.map(({ door }) => door)],
      apart: banks,
      accounts,
      recorder,
      clients,
      onNever: (problem) => {
        if (troubles.size < TROUBLES_MAX) troubles.add(problem);
      },
    });
    return await underFaults(cluster, { ...options, database, customers, recorder, operations, writes, troubles });
  } finally {
    for (const client of clients) client.close();
    await cluster?.stop();
    if (options.database === undefined) await database.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function underFaults(
  cluster: SharedCluster,
  options: Omit<SharedRunOptions, "customers"> & {
    readonly database: Database;
    readonly customers: readonly Customer[];
    readonly recorder: HistoryRecorder;
    readonly operations: readonly Operation[];
    readonly writes: LastWrite;
    readonly troubles: Set<string>;
  },
): Promise<FaultRun> {
  const { scenario, seed, forMs, recoveryMs = RECOVERY_MS, database, customers, writes, troubles } = options;
  const timeline = new FaultTimeline();
  const overMs = performance.now() + forMs;
  const goesOn = () => cluster.branches.every(({ name }) => writes.since(timeline.faults, name));
  const whenReady = async (random: Random): Promise<SupervisedServer | undefined> => {
    await until(goesOn, recoveryMs, "writes do not go on through every branch");
    for (const server of cluster.servers) await server.whenThere(recoveryMs);
    await delay(CALM_MIN_MS + random.below(CALM_MAX_MS - CALM_MIN_MS));
    const leader = await cluster.whenLed(recoveryMs);
    return performance.now() < overMs ? leader : undefined;
  };
  const faults = [
    ...leaderFaults(timeline, whenReady),
    ...timedFaults(database.faults(), { timeline, whenReady }),
  ].filter(({ name }) => scenario.faults.test(name));
  const { calmMs, faultMs } = scenario;
  const nemesis = new Nemesis({ seed, faults, forMs, calmMs, faultMs });
  const afterwards = () =>
    until(goesOn, recoveryMs, "writes do not go on through every branch").catch((error: unknown) => {
      troubles.add(textOf(error));
    });
  const watching = new AbortController();
  const watched = watchLeader(cluster, timeline, watching.signal);
  const log = await tradeUnderFaults({ customers, nemesis, forMs, troubles, afterwards });
  watching.abort();
  await watched;
  await lookAround(customers, { timeoutMs: recoveryMs, troubles });
  await compareStates(cluster, { recoveryMs, troubles });
  options.recorder.close();
  await cluster.terminate();
  const { operations } = options;
  const history = await readSharedHistory(database.url, { operations, description: scenario.about, seed, troubles });
  const gaps = gapsOf(timeline.faults, operations);
  for (const trouble of tooLong(gaps, options.gapMaxMs ?? GAP_MAX_MS)) troubles.add(trouble);
  for (const end of cluster.ends) if (isTrouble(end)) troubles.add(endText(end));
  const story = [nemesis.describe(), ...cluster.ends.map(endText), ...gaps.map(gapText)].join("\n");
  return { history, report: checkHistory(history), faults: log, story, troubles: [...troubles], gaps };
}

/** The last write that was done through each branch: by when it was sent. */
class LastWrite {
  private readonly sentMs = new Map<string, number>();

  observe(operation: Operation): void {
    const { server, invokeMs } = operation;
    if (server === undefined || !isDoneThroughBranch(operation)) return;
    this.sentMs.set(server, Math.max(this.sentMs.get(server) ?? invokeMs, invokeMs));
  }

  /** Whether one that was sent since the last of the faults has been done there. */
  since(faults: FaultTimeline["faults"], branch: string): boolean {
    const last = faults.at(-1);
    const fromMs = last === undefined ? Number.NEGATIVE_INFINITY : expectedFrom(last);
    const sentMs = this.sentMs.get(branch);
    return fromMs !== undefined && sentMs !== undefined && sentMs > fromMs;
  }
}

/** Until the signal aborts. A database that does not answer shows no leader. */
async function watchLeader(cluster: SharedCluster, timeline: FaultTimeline, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const leader = await cluster.leader();
    if (leader !== undefined) timeline.sawLeading(leader.name);
    await delay(WATCH_MS);
  }
}

async function compareStates(
  cluster: SharedCluster,
  { recoveryMs, troubles }: { readonly recoveryMs: number; readonly troubles: Set<string> },
): Promise<void> {
  try {
    const { name, url, door } = await cluster.whenLed(recoveryMs);
    const bank = { name, branch: 0, url, door: door.url };
    const differing = await differingServers({ bank, branches: cluster.branches }, recoveryMs);
    for (const each of differing) troubles.add(each);
  } catch (error) {
    troubles.add(textOf(error));
  }
}

/** Rejects where that does not become true within the time. */
async function until(isTrue: () => boolean, timeoutMs: number, else_: string): Promise<void> {
  const untilMs = performance.now() + timeoutMs;
  while (!isTrue()) {
    if (performance.now() > untilMs) throw new Error(`${else_} for ${timeoutMs} ms`);
    await delay(LOOK_MS);
  }
}

function tooLong(gaps: readonly WriteGap[], gapMaxMs: number): string[] {
  return gaps
    .filter(({ gapMs }) => gapMs === undefined || gapMs > gapMaxMs)
    .map((gap) => `writes went on too late: ${gapText(gap)}; at most ${gapMaxMs} ms are allowed`);
}

function gapText({ kind, whom, countsFrom, gapMs, everywhereMs, takeOverMs }: WriteGap): string {
  const went = gapMs === undefined ? "writes never went on" : `writes went on ${gapMs.toFixed(0)} ms`;
  const everywhere = everywhereMs === undefined ? "" : `, at every branch after ${everywhereMs.toFixed(0)} ms`;
  const other = takeOverMs === undefined ? "" : `, another led after ${takeOverMs.toFixed(0)} ms`;
  return `${kind} (${whom}): ${went} behind its ${countsFrom}${everywhere}${other}`;
}

/** A start may fail while the database is away, and a lease be taken over; nothing else ends a bank server. */
function isTrouble({ code, hadServed }: ServerEnd): boolean {
  return !REPLACED.includes(code) && (hadServed || code !== 1);
}

function endText({ name, code, hadServed, lastWords }: ServerEnd): string {
  const what = hadServed ? "after it had been the bank" : "before it was the bank";
  return `${name} ended with ${code}, ${what}${REPLACED.includes(code) ? "" : `: ${lastWords}`}`;
}

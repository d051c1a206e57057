import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { aboutHistory, checkHistory, type History, RecordTranslator, type Report } from "@bank/checker";
import { connectBank } from "@bank/client";
import { followJournal, ServerClient } from "@bank/testkit";
import { shareCompiledCode } from "../compile-cache.ts";
import { BankServers } from "./bank-servers.ts";
import type { Failure } from "./failures.ts";
import { Load } from "./load.ts";
import { PatroniCluster } from "./patroni-cluster.ts";
import type { EtcdApi } from "./patroni-host.ts";
import { lookAt, nextPrimary, untilSeen } from "./primary-watch.ts";

/** How long the parts of a failover took, in milliseconds. */
export interface FailoverTimes {
  readonly failure: string;
  /** Who was the primary, and who was then. */
  readonly from: string;
  readonly to: string;
  /** From the beginning of the failure until the new primary took connections and was in recovery no more. */
  readonly acceptedMs: number;
  /** From then until it had a standby that acknowledges: before that nothing can be committed there. */
  readonly standbyMs: number;
  /** From then, when it took connections, until the next write was acknowledged through a branch. */
  readonly nextWriteMs: number;
  /** The longest time without an acknowledged write around it. */
  readonly gapMs: number;
}

export interface FailoverRun {
  readonly times: readonly FailoverTimes[];
  readonly history: History;
  readonly report: Report;
  /** What did not come back, what differed at the end, and what no customer should be told. */
  readonly troubles: readonly string[];
  /** What `bank-server store verify` said of the store at the end. */
  readonly verified: string;
  /** What bank servers, branches and Patroni logged; for a run that went wrong. */
  readonly logs: string;
}

const WRITES_BEFORE = 100;
const WRITES_BEHIND = 200;
/** For Patroni to see that a host is gone, and then for the bank. */
const FAILED_OVER_WITHIN_MS = 90_000;
const LAST_LOOK_MS = 30_000;

/**
 * PostgreSQL under Patroni, two bank servers on it, branches, and customers who write through them; then one failure after the
 * other, each once the cluster is well again. What the customers saw is checked against the journal.
 * Rejects where the rig itself does not work, with everybody's logs.
 */
export async function runFailovers(
  failures: readonly Failure[],
  options: { readonly seed: number; readonly etcdApi: EtcdApi; readonly tell: (line: string) => void },
): Promise<FailoverRun> {
  const { seed, tell } = options;
  const folder = await mkdtemp(join(tmpdir(), "bank-failover-"));
  let cluster: PatroniCluster | undefined;
  let servers: BankServers | undefined;
  let load: Load | undefined;
  try {
    await shareCompiledCode();
    cluster = await PatroniCluster.start(options.etcdApi, folder);
    servers = await BankServers.start(cluster.url, folder);
    load = new Load(servers, seed);
    await load.start();
    const times: FailoverTimes[] = [];
    for (const failure of failures) {
      const took = await failOver(cluster, load, failure);
      times.push(took);
      tell(describeTimes(took));
      await cluster.whenWell();
    }
    await load.progress(WRITES_BEHIND, AbortSignal.timeout(FAILED_OVER_WITHIN_MS));
    await load.stop();
    const troubles = [...load.troubles, ...(await servers.ended()), ...(await differences(servers))];
    const history = await readHistory(servers, load, seed);
    const verified = await servers.stopAndVerify();
    const logs = `${await servers.kill()}\n${cluster.logs()}`;
    return { times, history, report: checkHistory(history), troubles, verified, logs };
  } catch (error) {
    if (cluster === undefined) throw error;
    throw new Error(`${String(error)}\n${await servers?.kill()}\n${cluster.logs()}`, { cause: error });
  } finally {
    load?.close();
    await servers?.kill();
    await cluster?.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

export function describeTimes({ failure, from, to, ...times }: FailoverTimes): string {
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(2).padStart(5)} s`;
  return (
    `${failure.padEnd(14)} ${from} -> ${to}: new primary accepts connections after ${seconds(times.acceptedMs)}; ` +
    `from then ${seconds(times.standbyMs)} until it has a standby, ${seconds(times.nextWriteMs)} until the next write; ` +
    `${seconds(times.gapMs)} without writes`
  );
}

async function failOver(cluster: PatroniCluster, load: Load, failure: Failure): Promise<FailoverTimes> {
  const signal = AbortSignal.timeout(FAILED_OVER_WITHIN_MS);
  await load.progress(WRITES_BEFORE, signal);
  const primary = await cluster.primary();
  const before = await lookAt(cluster, primary);
  if (before === undefined) throw new Error(`${primary.place.name} should be the primary, and takes no writes`);
  const beganMs = performance.now();
  // Some failures are over only once they have done what they are to do.
  const beginning = failure.begin(cluster, primary);
  beginning.catch(() => undefined);
  const next = await nextPrimary(cluster, before, signal);
  const acceptedMs = performance.now();
  const [standbyMs] = await Promise.all([
    untilSeen(cluster, next.host, signal, ({ synchronousStandbys }) => synchronousStandbys > 0).then(() =>
      performance.now(),
    ),
    nextWrite(load, acceptedMs, signal),
    beginning,
  ]);
  await load.progress(WRITES_BEHIND, signal);
  await failure.end(cluster, primary);
  // Whatever wakes then must do no harm.
  await load.progress(WRITES_BEHIND, signal);
  const around = load.acknowledged.map(({ atMs }) => atMs).filter((atMs) => atMs >= beganMs - 1_000);
  const nextMs = around.find((atMs) => atMs > acceptedMs) ?? Number.POSITIVE_INFINITY;
  return {
    failure: failure.name,
    from: primary.place.name,
    to: next.host.place.name,
    acceptedMs: acceptedMs - beganMs,
    standbyMs: standbyMs - acceptedMs,
    nextWriteMs: nextMs - acceptedMs,
    gapMs: Math.max(...around.slice(1).map((atMs, i) => atMs - (around[i] ?? atMs))),
  };
}

async function nextWrite(load: Load, behindMs: number, signal: AbortSignal): Promise<void> {
  while ((load.acknowledged.at(-1)?.atMs ?? 0) <= behindMs) await load.progress(1, signal);
}

/** What customers saw, and the bank's journal beside it. */
async function readHistory(servers: BankServers, { operations }: Load, seed: number): Promise<History> {
  const client = servers.client(LAST_LOOK_MS);
  try {
    const { position } = await client.listAccountsPage({ consistency: "linearizable" });
    for (const { url } of servers.banks) {
      const server = new ServerClient(url);
      try {
        const journal = await followJournal(server, position);
        const translator = new RecordTranslator();
        const records = journal.records.map((each) => translator.translate(each.position, each.timeMs, each.record));
        const about = aboutHistory({
          description: "customers at branches, failovers of PostgreSQL",
          seed: String(seed),
        });
        return { about, accounts: [], records, operations };
      } catch (error) {
        // The one that waits for its turn has nothing to tell.
        if (url === servers.banks.at(-1)?.url) throw error;
      } finally {
        server.close();
      }
    }
    throw new Error("there is no bank server");
  } finally {
    client.close();
  }
}

/** The branches that, once they show what the bank has committed, show another state. */
async function differences(servers: BankServers): Promise<string[]> {
  const client = servers.client(LAST_LOOK_MS);
  try {
    await client.listAccountsPage({ consistency: "linearizable" });
    const here = await statusOf(client, 0);
    const there = await Promise.all(
      servers.branches.map(async ({ url }, i) => {
        const branch = connectBank({ server: url, timeoutMs: LAST_LOOK_MS });
        try {
          await branch.listAccountsPage({ consistency: "linearizable" });
          return await statusOf(branch, i + 1);
        } finally {
          branch.close();
        }
      }),
    );
    return there.flatMap((state, i) => (state === here ? [] : [`branch ${i + 1} shows ${state}, the bank ${here}`]));
  } finally {
    client.close();
  }
}

async function statusOf(client: ReturnType<typeof connectBank>, number: number): Promise<string> {
  const { branches } = await client.branches();
  const status = branches.find((branch) => branch.number === number)?.status;
  return `position ${status?.appliedPosition}, digest ${status?.digest}`;
}

import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import type { PatroniCluster } from "./patroni-cluster.ts";
import type { PatroniHost } from "./patroni-host.ts";

/** A server as it was found to take writes. */
export interface SeenPrimary {
  readonly host: PatroniHost;
  /** Another one after each promotion, and after each start. */
  readonly identity: string;
  /** How many standbys acknowledge its commits. */
  readonly synchronousStandbys: number;
}

const LOOK_EVERY_MS = 25;
const LOOK_TIMEOUT_MS = 1_000;

const QUESTION = `SELECT pg_is_in_recovery() AS "inRecovery", pg_postmaster_start_time()::text AS started,
  CASE WHEN pg_is_in_recovery() THEN '' ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END AS timeline,
  (SELECT count(*)::int FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')) AS standbys`;

/** Undefined where the server takes no writes, or cannot be reached. */
export async function lookAt(cluster: PatroniCluster, host: PatroniHost): Promise<SeenPrimary | undefined> {
  const client = new Client({
    connectionString: cluster.hostUrl(host),
    connectionTimeoutMillis: LOOK_TIMEOUT_MS,
    query_timeout: LOOK_TIMEOUT_MS,
  });
  client.on("error", () => {
    // It ended in the middle: the query says so too.
  });
  try {
    await client.connect();
    const { inRecovery, started, timeline, standbys } = (await client.query(QUESTION)).rows[0];
    if (inRecovery) return undefined;
    return { host, identity: `${host.place.name}/${timeline}/${started}`, synchronousStandbys: standbys };
  } catch {
    // Down, starting, or standing still: not a server that takes writes.
    return undefined;
  } finally {
    client.end().catch(() => undefined);
  }
}

/** Resolves once a server takes writes that is not the one before, nor that one as it was. Rejects when the signal aborts. */
export async function nextPrimary(
  cluster: PatroniCluster,
  before: SeenPrimary,
  signal: AbortSignal,
): Promise<SeenPrimary> {
  const found = new AbortController();
  const over = AbortSignal.any([signal, found.signal]);
  try {
    return await Promise.any(
      cluster.hosts.map((host) => untilSeen(cluster, host, over, (seen) => seen.identity !== before.identity)),
    );
  } catch (cause) {
    throw new Error("no server took writes in time", { cause });
  } finally {
    found.abort();
  }
}

/** Resolves once what the host is found to be is as wanted. Rejects when the signal aborts. */
export async function untilSeen(
  cluster: PatroniCluster,
  host: PatroniHost,
  signal: AbortSignal,
  isWanted: (seen: SeenPrimary) => boolean,
): Promise<SeenPrimary> {
  for (;;) {
    signal.throwIfAborted();
    const seen = await lookAt(cluster, host);
    if (seen !== undefined && isWanted(seen)) return seen;
    await delay(LOOK_EVERY_MS, undefined, { signal });
  }
}

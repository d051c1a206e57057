import { setTimeout as sleep } from "node:timers/promises";
import type { Connection, ConnectionOptions } from "./connection.ts";
import type { PostgresHost, PostgresPlace } from "./place.ts";
import { isServerError, NotSentError, saying } from "./postgres-errors.ts";

/** Makes a connection to one server. */
export type OpenConnection = (host: PostgresHost, options: ConnectionOptions) => Promise<Connection>;

export interface PrimaryOptions {
  readonly openConnection: OpenConnection;
  /** So long an answer is waited for; that to the connecting too, where there is but one host and the URL does not say. */
  readonly deadlineMs: number;
}

/** Of one host of several, where the URL does not say. */
const CONNECT_TIMEOUT_MS = 2_000;
/** So long the others are waited for behind the first that is a primary: one of them may be a newer one. */
const OTHERS_MS = 500;

/**
 * A primary counts its promotions by the timeline, which is in the name of the file that it writes its log to. The server's
 * control file would show it too late.
 */
const ROLE = `SELECT pg_is_in_recovery()::text,
  CASE WHEN pg_is_in_recovery() THEN NULL ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END`;

/** What came of the asking of a host. */
export type Asked =
  | { readonly kind: "primary"; readonly timeline: number; readonly connection: Connection }
  | { readonly kind: "other"; readonly why: string };

/**
 * A connection to the server that takes the writes. Where the place has several hosts they are asked at the same time, so that
 * one that stands still holds up nobody for longer than a moment.
 *
 * Rejects with: `NotSentError`, which says of each host why it is not the one. That of a place with one host may be a standby:
 * its settings tell.
 */
export async function connectToPrimary(place: PostgresPlace, options: PrimaryOptions): Promise<Connection> {
  const { openConnection, deadlineMs } = options;
  const [only, ...others] = place.hosts;
  if (only !== undefined && others.length === 0)
    return openConnection(only, { deadlineMs, connectTimeoutMs: place.connectTimeoutMs ?? deadlineMs });
  const withinMs = Math.min(place.connectTimeoutMs ?? CONNECT_TIMEOUT_MS, deadlineMs);
  const asking = place.hosts.map((host) => askWithin(host, { openConnection, deadlineMs }, withinMs));
  const asked: (Asked | undefined)[] = place.hosts.map(() => undefined);
  let isChosen = false;
  const answers = asking.map(async (each, i) => {
    const answer = await each;
    if (!isChosen) asked[i] = answer;
    else if (answer.kind === "primary") void answer.connection.end();
    return answer;
  });
  await settled(answers);
  isChosen = true;
  const chosen = newestPrimary(asked);
  for (const each of asked) if (each?.kind === "primary" && each.connection !== chosen) void each.connection.end();
  if (chosen !== undefined) return chosen;
  const why = asked.map((each, i) => `${place.hosts[i]?.name}: ${each?.kind === "other" ? each.why : "no answer"}`);
  throw new NotSentError(`none of the servers of ${place.name} is the primary: ${why.join("; ")}`);
}

/**
 * Of those that say that they are primaries the one that was promoted last: one that was paused, or whose manager was, while
 * another was promoted, goes on calling itself a primary, and its commits wait in vain for its standbys. Where servers do not
 * count promotions all are as good: the first.
 */
export function newestPrimary(asked: readonly (Asked | undefined)[]): Connection | undefined {
  let newest: (Asked & { readonly kind: "primary" }) | undefined;
  for (const each of asked) if (each?.kind === "primary" && each.timeline > (newest?.timeline ?? -1)) newest = each;
  return newest?.connection;
}

/** Resolves once all have answered, or a moment after the first primary. */
async function settled(answers: readonly Promise<Asked>[]): Promise<void> {
  const never = new Promise<never>(() => undefined);
  const aPrimary = Promise.race(answers.map(async (each) => ((await each).kind === "primary" ? undefined : never)));
  const aMoment = new AbortController();
  const behind = aPrimary.then(() => sleep(OTHERS_MS, undefined, { signal: aMoment.signal }));
  // It is not waited for any more where all have answered.
  behind.catch(() => undefined);
  await Promise.race([Promise.all(answers), behind]);
  aMoment.abort();
}

/** Never rejects, but for a bug. */
async function askWithin(host: PostgresHost, options: PrimaryOptions, withinMs: number): Promise<Asked> {
  const isLate = new AbortController();
  const late: Asked = { kind: "other", why: `no answer within ${withinMs} ms` };
  const asking = ask(host, options, withinMs);
  try {
    const inTime = await Promise.race([asking, sleep(withinMs, late, { signal: isLate.signal })]);
    if (inTime === late)
      asking.then(
        (answer) => answer.kind === "primary" && answer.connection.drop(),
        () => undefined,
      );
    return inTime;
  } finally {
    isLate.abort();
  }
}

async function ask(host: PostgresHost, options: PrimaryOptions, connectTimeoutMs: number): Promise<Asked> {
  let connection: Connection | undefined;
  try {
    connection = await options.openConnection(host, { deadlineMs: options.deadlineMs, connectTimeoutMs });
    const { inRecovery, timeline } = await roleOf(connection);
    if (!inRecovery) return { kind: "primary", timeline, connection };
    void connection.end();
    return { kind: "other", why: "it is a standby" };
  } catch (error) {
    connection?.drop();
    return { kind: "other", why: saying(error) };
  }
}

/** A server that does not know the questions, as of another make, is taken for a primary that counts no promotions. */
async function roleOf(connection: Connection): Promise<{ readonly inRecovery: boolean; readonly timeline: number }> {
  try {
    const [row] = await connection.query({ name: "", text: ROLE });
    const [inRecovery, timeline] = row ?? [];
    return {
      inRecovery: inRecovery === "true",
      timeline: typeof timeline === "string" ? Number.parseInt(timeline, 16) : 0,
    };
  } catch (error) {
    if (isServerError(error) && ["42", "0A"].includes(error.code.slice(0, 2)))
      return { inRecovery: false, timeline: 0 };
    throw error;
  }
}

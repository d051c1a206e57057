import { setTimeout as sleep } from "node:timers/promises";
import type { Connection, ConnectionOptions } from "./connection.ts";
import type { PostgresHost } from "./place.ts";
import { isServerError, saying } from "./postgres-errors.ts";

/** Makes a connection to one server. */
export type OpenConnection = (host: PostgresHost, options: ConnectionOptions) => Promise<Connection>;

export interface PrimaryOptions {
  readonly openConnection: OpenConnection;
  /** So long an answer is waited for; that to the connecting too, where there is but one host and the URL does not say. */
  readonly deadlineMs: number;
}

export interface FindOptions extends PrimaryOptions {
  /** Of several hosts, a primary with an older timeline than this is none. */
  readonly timelineMin: number;
  /** The hosts that said nothing when they were asked last, which this changes. */
  readonly silent: Set<PostgresHost>;
}

/** The server that takes the writes. */
export interface FoundPrimary {
  readonly connection: Connection;
  /** How often a server of its cluster was promoted, itself included; 0 where that was not asked, or is not told. */
  readonly timeline: number;
}

/**
 * A primary counts its promotions by the timeline, which is in the name of the file that it writes its log to. The server's
 * control file would show it too late.
 */
const ROLE = `SELECT pg_is_in_recovery()::text,
  CASE WHEN pg_is_in_recovery() THEN NULL ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END`;

/** What came of the asking of a host. */
export type Asked =
  | ({ readonly kind: "primary" } & FoundPrimary)
  /** It answered, or cannot be reached. */
  | { readonly kind: "other"; readonly why: string }
  /** It did not answer in time. */
  | { readonly kind: "silent"; readonly why: string };

/** Asks a host whether it is the primary. Never rejects, but for a bug. */
export async function askWithin(host: PostgresHost, options: FindOptions, withinMs: number): Promise<Asked> {
  const isLate = new AbortController();
  const late: Asked = { kind: "silent", why: `no answer within ${withinMs} ms` };
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

async function ask(host: PostgresHost, options: FindOptions, connectTimeoutMs: number): Promise<Asked> {
  let connection: Connection | undefined;
  try {
    connection = await options.openConnection(host, { deadlineMs: options.deadlineMs, connectTimeoutMs });
    const { inRecovery, timeline } = await roleOf(connection);
    const { timelineMin } = options;
    if (!inRecovery && timeline >= timelineMin) return { kind: "primary", timeline, connection };
    void connection.end();
    const why = `it takes itself for the primary, but was promoted before one that this bank used (timeline ${timeline}, not ${timelineMin})`;
    return { kind: "other", why: inRecovery ? "it is a standby" : why };
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

import { UnsafeSettingsError } from "../errors.ts";
import type { Value } from "./columns.ts";
import type { Connection } from "./connection.ts";
import type { PostgresPlace } from "./place.ts";
import { isServerError } from "./postgres-errors.ts";

/** What a server says of itself; undefined where it does not know what is asked for. */
export interface ServerSettings {
  readonly inRecovery: boolean | undefined;
  /** As they are in force on this connection, by name. */
  readonly values: ReadonlyMap<string, string>;
  /** One of "sync", "quorum", "potential", "async" for each standby that is attached. */
  readonly standbys: readonly string[] | undefined;
}

/** What makes a server lose what it acknowledged, and what one should know. Sentences without a full stop. */
export interface SettingsJudgement {
  readonly dangers: readonly string[];
  readonly warnings: readonly string[];
}

const NAMES = ["fsync", "full_page_writes", "synchronous_commit", "synchronous_standby_names"] as const;
const RECOVERY = "pg_is_in_recovery()::text";
const STANDBYS = "(SELECT string_agg(coalesce(sync_state, ''), ',') FROM pg_stat_replication)";

/** Nothing for a name that the server does not know. */
function setting(name: string): string {
  return `current_setting('${name}', true)`;
}

/**
 * Refuses a server that can lose what it acknowledged. Gives the warnings: all that was found, where the place allows it.
 * Rejects with: `UnsafeSettingsError`; what `query` rejects with.
 */
export async function requireSafeSettings(connection: Connection, place: PostgresPlace): Promise<readonly string[]> {
  const { dangers, warnings } = judgeSettings(await readSettings(connection));
  if (dangers.length === 0) return warnings;
  if (!place.allowDataLoss)
    throw new UnsafeSettingsError(
      `the server behind ${place.name} can lose what it acknowledged: ${dangers.join("; ")}. ` +
        "Change that, or add allow_data_loss=true to the URL where no money depends on it",
    );
  return [...dangers.map((danger) => `DATA LOSS IS POSSIBLE AND WAS ALLOWED: ${danger}`), ...warnings];
}

export function judgeSettings({ inRecovery, values, standbys }: ServerSettings): SettingsJudgement {
  const dangers: string[] = [];
  const warnings: string[] = [];
  if (inRecovery === undefined) warnings.push("the server does not say whether it is a standby");
  else if (inRecovery) dangers.push("it is a standby (pg_is_in_recovery): connect to the primary");
  for (const name of ["fsync", "full_page_writes"]) {
    const value = values.get(name);
    if (value === undefined) warnings.push(`the server does not know the setting ${name}`);
    else if (value !== "on") dangers.push(`${name} is "${value}": a power cut can damage the database`);
  }
  const commit = values.get("synchronous_commit");
  if (commit === undefined) warnings.push("the server does not know the setting synchronous_commit");
  else if (commit !== "on" && commit !== "remote_apply")
    dangers.push(`synchronous_commit is "${commit}": ${WHY_NOT[commit] ?? "it has to be on"}`);
  const names = values.get("synchronous_standby_names");
  if (names === "")
    warnings.push(
      "synchronous_standby_names is empty: what is acknowledged is on one disk only, and lost with it or by a failover",
    );
  const asynchronous = standbys?.filter((state) => state === "async").length ?? 0;
  if (asynchronous > 0)
    warnings.push(
      `of the attached standbys ${asynchronous} are asynchronous: a failover to such a one loses what it does not have yet, so let nothing promote it`,
    );
  return { dangers, warnings };
}

const WHY_NOT: Readonly<Record<string, string>> = {
  off: "a crash of the server loses the last acknowledged commits",
  local: "a failover to the standby loses acknowledged commits: standbys are not waited for",
  remote_write: "the standby acknowledges what its disk does not have yet, so two power cuts lose it",
};

async function readSettings(connection: Connection): Promise<ServerSettings> {
  const columns = [RECOVERY, STANDBYS, ...NAMES.map(setting)];
  // Mostly one question is enough. Where the server does not know something of it, each thing is asked for by itself.
  const values = (await ifKnown(connection, columns)) ?? [];
  if (values.length === 0) for (const column of columns) values.push((await ifKnown(connection, [column]))?.[0]);
  const [recovery, standbys, ...named] = values;
  const known = NAMES.flatMap((name, i) => {
    const value = named[i];
    return typeof value === "string" ? [[name, value] as const] : [];
  });
  return {
    inRecovery: typeof recovery === "string" ? recovery === "true" : undefined,
    values: new Map(known),
    // Without the right to see them the states are empty.
    standbys: standbys === undefined ? undefined : typeof standbys === "string" ? standbys.split(",") : [],
  };
}

/** Undefined where the server has no such table or function, or gives no right to it. */
async function ifKnown(connection: Connection, columns: readonly string[]): Promise<Value[] | undefined> {
  try {
    const rows = await connection.query({ name: "", text: `SELECT ${columns.join(", ")}` });
    return [...(rows[0] ?? [])];
  } catch (error) {
    if (isServerError(error) && ["42", "0A"].includes(error.code.slice(0, 2))) return undefined;
    throw error;
  }
}

import { StoreError, UnsafeSettingsError } from "../errors.ts";
import type { Connection, Reply } from "./connection.ts";
import { ServerError } from "./redis-errors.ts";
import type { RedisPlace } from "./redis-place.ts";

const SERVER_MIN = "7.0";

/** What a setting has to be, and what happens otherwise. */
const NEEDED = {
  appendonly: { value: "yes", why: "without its append-only file a restart loses what was acknowledged" },
  appendfsync: { value: "always", why: "it answers before what it wrote is on the disk" },
  "no-appendfsync-on-rewrite": { value: "no", why: "while it saves or rewrites its file, nothing is put on the disk" },
  "maxmemory-policy": { value: "noeviction", why: "where memory is full, it deletes keys" },
} as const;
type Setting = keyof typeof NEEDED;

/** What a server says of itself, as far as it lets us ask. */
export interface ServerFacts {
  /** Settings; undefined for what could not be asked. */
  readonly settings: Readonly<Partial<Record<Setting, string>>>;
  /** The lines of `INFO`. */
  readonly info: ReadonlyMap<string, string>;
}

/**
 * Whether the server keeps what it acknowledges. Gives what an operator should hear of nevertheless.
 * Rejects with: `UnsafeSettingsError`; `StoreError` where the server can be no bank's store at all.
 */
export async function checkServer(connection: Connection, place: RedisPlace): Promise<readonly string[]> {
  const facts = await askServer(connection);
  const { unsafe, warnings } = judge(facts, place.name);
  if (unsafe.length === 0) return warnings;
  const found = `${place.name} can lose what it acknowledged: ${unsafe.join("; ")}`;
  if (!place.allowDataLoss)
    throw new UnsafeSettingsError(
      `${found}. Change that, or say "?allow_data_loss=true" in the store's URL where the money is not real`,
    );
  return [`MONEY CAN BE LOST, as "?allow_data_loss=true" permits: ${found}`, ...warnings];
}

/** Throws: `StoreError`. */
export function judge(
  { settings, info }: ServerFacts,
  name: string,
): { readonly unsafe: readonly string[]; readonly warnings: readonly string[] } {
  const version = info.get("redis_version") ?? "";
  if (Number.parseInt(version, 10) < 7)
    throw new StoreError(`${name} is Redis ${version}: a bank's store needs ${SERVER_MIN} or newer, for functions`);
  const role = info.get("role");
  if (role !== undefined && role !== "master") throw new StoreError(`${name} is a replica: name the master`);
  const unsafe: string[] = [];
  for (const [setting, { value, why }] of Object.entries(NEEDED) as [Setting, (typeof NEEDED)[Setting]][]) {
    const found = settings[setting] ?? derived(setting, info);
    if (found === undefined) unsafe.push(`its ${setting} cannot be asked, and unless it is ${value}, ${why}`);
    else if (found !== value) unsafe.push(`${setting} is ${found} and has to be ${value}: ${why}`);
  }
  if (role === undefined) unsafe.push("it does not say whether it is a master");
  if ((info.get("aof_last_write_status") ?? "ok") !== "ok")
    unsafe.push("it could not write its append-only file the last time");
  const warnings: string[] = [];
  if ((info.get("aof_last_bgrewrite_status") ?? "ok") !== "ok")
    warnings.push(`${name} could not rewrite its append-only file, which grows until it can: see its log`);
  return { unsafe, warnings };
}

async function askServer(connection: Connection): Promise<ServerFacts> {
  const info = parseInfo(await connection.call(["INFO"]));
  return { settings: await askSettings(connection), info };
}

/** Servers that others run often forbid this: what `INFO` says is looked at then, and it does not say everything. */
async function askSettings(connection: Connection): Promise<ServerFacts["settings"]> {
  try {
    const reply = await connection.call(["CONFIG", "GET", ...Object.keys(NEEDED)]);
    const texts = Array.isArray(reply) ? reply.map(String) : [];
    const found: Record<string, string> = {};
    for (let i = 0; i + 1 < texts.length; i += 2) found[texts[i] as string] = texts[i + 1] as string;
    return found;
  } catch (error) {
    if (error instanceof ServerError) return {};
    throw error;
  }
}

function derived(setting: Setting, info: ServerFacts["info"]): string | undefined {
  if (setting === "maxmemory-policy") return info.get("maxmemory_policy");
  if (setting !== "appendonly") return undefined;
  const enabled = info.get("aof_enabled");
  return enabled === undefined ? undefined : enabled === "1" ? "yes" : "no";
}

function parseInfo(reply: Reply): Map<string, string> {
  const lines = String(reply).split(/\r?\n/);
  return new Map(
    lines.flatMap((line) => {
      const colon = line.indexOf(":");
      return colon < 1 ? [] : [[line.slice(0, colon), line.slice(colon + 1)] as const];
    }),
  );
}

import { StoreError, UnsafeSettingsError } from "../errors.ts";
import { isAsStarted } from "./as-started.ts";
import type { Connection } from "./connection.ts";
import { parseInfo } from "./info.ts";
import { ServerError } from "./redis-errors.ts";
import type { RedisPlace } from "./redis-place.ts";

const SERVER_MIN = "7.0";
/** The first with WAITAOF. */
const WAIT_AOF_MIN = [7, 2] as const;
/** A rewrite of the append-only file is waited for so long before a server is refused for it, in milliseconds. */
const REWRITE_WAIT_MS = 10_000;
const REWRITE_LOOK_MS = 50;

/** The server, by its `run_id`, that was found to keep what it acknowledges: a rewrite that it begins later replaces a file that is there. */
export interface TrustedServer {
  runId: string | undefined;
}

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
export async function checkServer(
  connection: Connection,
  place: RedisPlace,
  trusted: TrustedServer,
): Promise<readonly string[]> {
  const { facts, isTrusted } = await settledFacts(connection, place, trusted);
  const runId = facts.info.get("run_id");
  const { unsafe, warnings } = judge(facts, place, isTrusted);
  trusted.runId = unsafe.length === 0 ? runId : undefined;
  if (unsafe.length === 0) return warnings;
  const found = `${place.name} can lose what it acknowledged: ${unsafe.join("; ")}`;
  if (!place.allowDataLoss)
    throw new UnsafeSettingsError(
      `${found}. Change that, or say "?allow_data_loss=true" in the store's URL where the money is not real`,
    );
  return [`MONEY CAN BE LOST, as "?allow_data_loss=true" permits: ${found}`, ...warnings];
}

/**
 * Throws: `StoreError`.
 *
 * @param isTrusted this very process of it was found safe before, or has had its append-only file from its start on.
 */
export function judge(
  { settings, info }: ServerFacts,
  { name, waitAof }: Pick<RedisPlace, "name" | "waitAof">,
  isTrusted = false,
): { readonly unsafe: readonly string[]; readonly warnings: readonly string[] } {
  const version = info.get("redis_version") ?? "";
  if (Number.parseInt(version, 10) < 7)
    throw new StoreError(`${name} is Redis ${version}: a bank's store needs ${SERVER_MIN} or newer, for functions`);
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (waitAof > 0 && (major < WAIT_AOF_MIN[0] || (major === WAIT_AOF_MIN[0] && minor < WAIT_AOF_MIN[1])))
    throw new StoreError(
      `"?wait_aof=" needs Redis ${WAIT_AOF_MIN.join(".")} or newer, and ${name} is ${version}: leave it out, or say "?wait_replicas=", ` +
        "which waits for the memory of replicas",
    );
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
  // Switched on while the server runs, the file counts only once it was written whole: a restart before that finds none. What
  // it says of its file does not tell such a first rewrite from any other, but that one which was never whole has no size.
  if (isRewriting(info) && !isTrusted)
    unsafe.push(
      "it is writing its append-only file anew, perhaps for the first time: until that is done, a restart may find none",
    );
  if (isFailed(info) && !isTrusted && info.get("aof_base_size") === "0")
    unsafe.push("it could not write its append-only file whole, perhaps for the first time: a restart may find none");
  const warnings: string[] = [];
  if (isFailed(info))
    warnings.push(`${name} could not rewrite its append-only file, which grows until it can: see its log`);
  return { unsafe, warnings };
}

/** What it says of itself; where that could be an append-only file which is not whole yet, once that is done, or takes too long. */
async function settledFacts(
  connection: Connection,
  place: RedisPlace,
  trusted: TrustedServer,
): Promise<{ readonly facts: ServerFacts; readonly isTrusted: boolean }> {
  const untilMs = performance.now() + REWRITE_WAIT_MS;
  for (;;) {
    const facts = await askServer(connection);
    const { info } = facts;
    const isKnown = trusted.runId !== undefined && info.get("run_id") === trusted.runId;
    const isTrusted = isKnown || ((isRewriting(info) || isFailed(info)) && (await isAsStarted(connection)));
    const mayBeFirst = isRewriting(info) && !isTrusted;
    if (!mayBeFirst || place.allowDataLoss || performance.now() >= untilMs) return { facts, isTrusted };
    await new Promise<void>((resolve) => {
      setTimeout(resolve, REWRITE_LOOK_MS);
    });
  }
}

function isRewriting(info: ServerFacts["info"]): boolean {
  return info.get("aof_rewrite_in_progress") === "1" || info.get("aof_rewrite_scheduled") === "1";
}

function isFailed(info: ServerFacts["info"]): boolean {
  return (info.get("aof_last_bgrewrite_status") ?? "ok") !== "ok";
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

import { StoreError } from "../errors.ts";

/** Where a bank lives on a Redis server, as its URL says it. */
export interface RedisPlace {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
  /** Under which all keys are, as `{prefix}:…`. */
  readonly prefix: string;
  /** An operator has said that it does not matter whether the server loses what it acknowledged. */
  readonly allowDataLoss: boolean;
  /** A holder of the lease that gives no sign of life for so long may be replaced; undefined for the default. */
  readonly leaseMs: number | undefined;
  /** So many replicas have to have a write before it counts. */
  readonly waitReplicas: number;
  /** So many replicas have to have a write on their disks before it counts. */
  readonly waitAof: number;
  /** Whether a hash is kept for each account. */
  readonly accountRows: boolean;
  /** For messages: without password. */
  readonly name: string;
}

const PORT_DEFAULT = 6379;
const PREFIX_DEFAULT = "bank";
const REPLICAS_MAX = 16;
const LEASE_MIN_MS = 500;
const LEASE_MAX_MS = 60_000;
const OPTIONS = ["account_rows", "allow_data_loss", "db", "lease_ms", "prefix", "wait_aof", "wait_replicas"];

/**
 * Reads `redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE][/PREFIX][?prefix=…&db=…&lease_ms=…&wait_replicas=…&wait_aof=…&account_rows=false
 * &allow_data_loss=true]`.
 * A path of digits is the number of a database, as everywhere; any other is the prefix of the keys.
 * Throws: `StoreError`, without what may be a password.
 */
export function parseRedisUrl(text: string): RedisPlace {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isRedis = url?.protocol === "redis:" || url?.protocol === "rediss:";
  if (url === undefined || !isRedis || url.hostname === "")
    throw new StoreError('a Redis store is named by "redis://HOST:PORT/NAME", or "rediss://…" with TLS');
  const option = (name: string) => url.searchParams.get(name) ?? undefined;
  for (const name of url.searchParams.keys())
    if (!OPTIONS.includes(name))
      throw new StoreError(`a Redis store's URL knows no "?${name}=": there are ${OPTIONS.join(", ")}`);
  const { host, path } = { host: url.hostname.replace(/^\[(.*)\]$/, "$1"), path: pathOf(url) };
  const port = url.port === "" ? PORT_DEFAULT : Number(url.port);
  const prefix = option("prefix") ?? path.prefix ?? PREFIX_DEFAULT;
  // Braces would end the part that decides where keys are, and a star finds more than the bank's own keys.
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(prefix))
    throw new StoreError("a Redis store's prefix has 1 to 64 letters, digits, dots, dashes and underscores");
  const database = integer("db", option("db") ?? path.database ?? "0", 65_535);
  return {
    host,
    port,
    tls: url.protocol === "rediss:",
    username: url.username === "" ? undefined : decodeURIComponent(url.username),
    password: url.password === "" ? undefined : decodeURIComponent(url.password),
    database,
    prefix,
    allowDataLoss: flag("allow_data_loss", option("allow_data_loss")),
    leaseMs: option("lease_ms") === undefined ? undefined : leaseMs(option("lease_ms") ?? ""),
    waitReplicas: integer("wait_replicas", option("wait_replicas") ?? "0", REPLICAS_MAX),
    waitAof: integer("wait_aof", option("wait_aof") ?? "0", REPLICAS_MAX),
    accountRows: flag("account_rows", option("account_rows") ?? "true"),
    name: `${url.protocol}//${url.hostname}:${port}/${database === 0 ? "" : `${database}/`}${prefix}`,
  };
}

function pathOf(url: URL): { readonly database: string | undefined; readonly prefix: string | undefined } {
  const parts = url.pathname.split("/").filter((part) => part !== "");
  const database = /^[0-9]+$/.test(parts[0] ?? "") ? parts.shift() : undefined;
  if (parts.length > 1) throw new StoreError('a Redis store\'s URL ends with "/NAME", or "/DATABASE/NAME"');
  return { database, prefix: parts[0] };
}

function integer(name: string, text: string, max: number): number {
  const value = /^[0-9]{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= max)) throw new StoreError(`"?${name}=" of a Redis store is a number from 0 to ${max}`);
  return value;
}

function leaseMs(text: string): number {
  const value = integer("lease_ms", text, LEASE_MAX_MS);
  if (value < LEASE_MIN_MS)
    throw new StoreError(`"?lease_ms=" of a Redis store is from ${LEASE_MIN_MS} to ${LEASE_MAX_MS}`);
  return value;
}

function flag(name: string, text: string | undefined): boolean {
  if (text !== undefined && text !== "true" && text !== "false")
    throw new StoreError(`"?${name}=" of a Redis store is true or false`);
  return text === "true";
}

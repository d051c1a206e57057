import { StoreError } from "../errors.ts";

/** A server that may be the one where a bank lives. */
export interface PostgresHost {
  /** An URL of this server alone, without what is not for the client library. It may contain a password: never shown. */
  readonly connectionString: string;
  /** For messages: without user and password. */
  readonly name: string;
}

/** Where a bank lives in a PostgreSQL database, as its URL says. */
export interface PostgresPlace {
  /** Of a cluster, in the URL's order: one of them is the primary at a time. */
  readonly hosts: readonly PostgresHost[];
  /** So long one of them may take to answer for the first time; undefined where the URL does not say. */
  readonly connectTimeoutMs: number | undefined;
  /** A holder of the lease that gives no sign of life for so long may be replaced; undefined where the URL does not say. */
  readonly leaseMs: number | undefined;
  /** Name of the schema, fit to stand in SQL between quotation marks. */
  readonly schema: string;
  /** Unsafe settings of the server are warnings only. */
  readonly allowDataLoss: boolean;
  /** For messages: the place without user and password. */
  readonly name: string;
}

export const SCHEMA_DEFAULT = "bank";

/** PostgreSQL cuts names behind 63 bytes. */
const SCHEMA_NAME = /^[a-z_][a-z0-9_]{0,62}$/;
/** Scheme, user and password, hosts, and the rest. The last "@" before a path is the one behind a password. */
const AUTHORITY = /^([^:/?#]*:\/\/(?:[^/?#]*@)?)([^/?#]*)(.*)$/s;
const HOSTS_MAX = 16;
const CONNECT_TIMEOUT_MAX_S = 60;
const LEASE_MIN_MS = 500;
const LEASE_MAX_MS = 60_000;

/**
 * Reads `postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE?schema=bank&connect_timeout=2&lease_ms=2000
 * &allow_data_loss=true`; every other parameter is the client library's. Throws: `StoreError`, whose message does not repeat the URL: there may be a password in it.
 */
export function parsePlace(text: string): PostgresPlace {
  const [, before = "", authority = "", behind = ""] = AUTHORITY.exec(text) ?? [];
  const several = authority.includes(",") ? authority.split(",") : undefined;
  const urls = several === undefined ? [readUrl(text)] : several.map((host) => readUrl(before + host + behind));
  const [url] = urls as [URL];
  const names = urls.map(nameOf);
  if (several !== undefined) requireSeveral(several, url.searchParams);
  const { searchParams } = url;
  const schema = searchParams.get("schema") ?? SCHEMA_DEFAULT;
  if (!SCHEMA_NAME.test(schema))
    throw new StoreError(
      `schema "${schema}": the name of a schema has small letters, digits and underscores, at most 63`,
    );
  requirePrimary(searchParams.get("target_session_attrs"));
  return {
    hosts: urls.map((each, i) => ({ connectionString: forLibrary(each), name: names[i] ?? "" })),
    connectTimeoutMs: connectTimeoutOf(searchParams.get("connect_timeout")),
    leaseMs: leaseMsOf(searchParams.get("lease_ms")),
    schema,
    allowDataLoss: isTrue(searchParams.get("allow_data_loss") ?? "false"),
    name: `postgres://${names.join(",")}${url.pathname}, schema "${schema}"`,
  };
}

function readUrl(text: string): URL {
  // Not a cause of the error: it would carry the URL along.
  if (!URL.canParse(text))
    throw new StoreError(
      'this "postgres:" URL cannot be read: write postgres://USER@HOST/DATABASE, or several HOST:PORT with commas in between',
    );
  const url = new URL(text);
  if (url.protocol !== "postgres:" && url.protocol !== "postgresql:")
    throw new StoreError(`"${url.protocol}" is another kind of store: this is for postgres://USER@HOST/DATABASE`);
  // The end of a password that should have been encoded would be taken for a host, and shown.
  if (/@/.test(url.pathname) || (url.username === "" && /@/.test(url.search + url.hash)))
    throw new StoreError(
      'this "postgres:" URL has an "@" behind its host: write "/", "?", "#" and "@" in a password as %2F, %3F, %23 and %40',
    );
  return url;
}

/** Of the server: the library takes the parameters, of which "host" may be the folder of a socket, before the rest. */
function nameOf({ host, searchParams }: URL): string {
  const [named, port] = [searchParams.get("host"), searchParams.get("port")];
  if (named?.includes(","))
    throw new StoreError('this "postgres:" URL names several hosts behind the "?": write them before the database');
  if (named === null) return host === "" ? "localhost" : host;
  return port === null ? named : `${named}:${port}`;
}

function requireSeveral(hosts: readonly string[], parameters: URLSearchParams): void {
  const problem = 'this "postgres:" URL names several hosts';
  if (hosts.length > HOSTS_MAX) throw new StoreError(`${problem}: ${hosts.length}; ${HOSTS_MAX} are the most`);
  if (parameters.has("host") || parameters.has("port"))
    throw new StoreError(`${problem}: "host" and "port" cannot stand behind the "?" as well`);
}

/** Without the parameters that the library does not know. */
function forLibrary({ href }: URL): string {
  const url = new URL(href);
  for (const name of ["schema", "allow_data_loss", "connect_timeout", "lease_ms", "target_session_attrs"])
    url.searchParams.delete(name);
  return url.href;
}

function requirePrimary(attributes: string | null): void {
  if (attributes !== null && attributes !== "read-write" && attributes !== "primary")
    throw new StoreError(`target_session_attrs is "read-write" or "primary" here, not "${attributes}": a bank writes`);
}

function connectTimeoutOf(text: string | null): number | undefined {
  if (text === null) return undefined;
  const seconds = Number(text);
  if (!/^\d+$/.test(text) || seconds < 1 || seconds > CONNECT_TIMEOUT_MAX_S)
    throw new StoreError(`connect_timeout is a number of seconds from 1 to ${CONNECT_TIMEOUT_MAX_S}, not "${text}"`);
  return seconds * 1_000;
}

function leaseMsOf(text: string | null): number | undefined {
  if (text === null) return undefined;
  const value = /^[0-9]{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= LEASE_MIN_MS && value <= LEASE_MAX_MS))
    throw new StoreError(`lease_ms is a number of milliseconds from ${LEASE_MIN_MS} to ${LEASE_MAX_MS}, not "${text}"`);
  return value;
}

function isTrue(allow: string): boolean {
  if (allow !== "true" && allow !== "false")
    throw new StoreError(`allow_data_loss is "true" or "false", not "${allow}"`);
  return allow === "true";
}

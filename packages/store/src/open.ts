import { StoreError } from "./errors.ts";
import { requireMark } from "./free-space.ts";
import { MemoryJournalStore } from "./memory/memory-store.ts";
import type { JournalStore } from "./port.ts";
import { PostgresJournalStore } from "./postgres/postgres-store.ts";
import { withoutPassword } from "./redact.ts";
import { RedisJournalStore } from "./redis/redis-store.ts";
import { SqliteJournalStore } from "./sqlite/sqlite-store.ts";

const SUPPORTED =
  'supported are "sqlite:PATH", with the path of a data folder, "postgres://USER:PASSWORD@HOST/DATABASE", ' +
  '"redis://USER:PASSWORD@HOST/NAME", and "memory:"';

export interface OpenStoreOptions {
  /**
   * Of stores on this machine's disk: nothing more is written once fewer bytes than this are free. 0, the default, for no such mark;
   * else at least `FREE_SPACE_MARK_MIN_BYTES`.
   */
  readonly minFreeBytes?: number;
  /** For tests: as `FreeSpace` takes it. */
  readonly lookEveryMs?: number | undefined;
}

/**
 * The store that a URL names, not yet opened: call its `open` next.
 *
 * `sqlite:PATH` keeps the journal in the folder at PATH, relative to the working directory or absolute; the path is
 * taken as it is written, without percent-encoding. `memory:` keeps it in this process and forgets it.
 * `postgres:` (or `postgresql:`) keeps it in a PostgreSQL database: see `PostgresJournalStore`.
 * `redis:` (or `rediss:`) keeps it on a Redis server: see `RedisJournalStore`.
 * Throws: `StoreError` for a URL that names none of them; its message contains no password; and for a mark that is none.
 */
export function openStore(url: string, { minFreeBytes = 0, lookEveryMs }: OpenStoreOptions = {}): JournalStore {
  requireMark(minFreeBytes);
  const colon = url.indexOf(":");
  if (colon < 1) throw new StoreError(`"${withoutPassword(url)}" is no store URL: ${SUPPORTED}`);
  const scheme = url.slice(0, colon).toLowerCase();
  const rest = url.slice(colon + 1);
  switch (scheme) {
    case "sqlite":
      return new SqliteJournalStore({ folder: requireFolder(url, rest), minFreeBytes, lookEveryMs });
    case "postgres":
    case "postgresql":
      return new PostgresJournalStore({ url });
    case "redis":
    case "rediss":
      return new RedisJournalStore({ url });
    case "memory":
      if (rest !== "") throw new StoreError(`"${url}": nothing may follow "memory:"`);
      return new MemoryJournalStore();
    default:
      throw new StoreError(`"${withoutPassword(url)}": unknown kind of store "${scheme}:"; ${SUPPORTED}`);
  }
}

function requireFolder(url: string, path: string): string {
  if (path === "") throw new StoreError(`"${url}" lacks the path of a data folder; ${SUPPORTED}`);
  // "sqlite://data" reads as a host named data; the folder /data is unlikely to be what was meant.
  if (/^\/\/[^/]/.test(path)) {
    throw new StoreError(`"${url}" has two slashes: write "sqlite:${path.slice(2)}" or "sqlite:${path.slice(1)}"`);
  }
  return path;
}

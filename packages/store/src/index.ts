// @bank/store. Public: the port, its errors, `openStore`, and the engines for those who construct them by hand. The
// conformance suite is "@bank/store/conformance", the store with faults to order is "@bank/store/testing". All else is
// internal to an engine.
export * from "./errors.ts";
export { FREE_SPACE_MARK_MIN_BYTES, FreeSpace, LOOK_EVERY_MS } from "./free-space.ts";
export { MemoryDisk } from "./memory/memory-disk.ts";
export { MemoryJournalStore } from "./memory/memory-store.ts";
export { type OpenStoreOptions, openStore } from "./open.ts";
export * from "./port.ts";
export { type Migrated, migrate } from "./postgres/migrations.ts";
export { PostgresJournalStore, type PostgresStoreOptions } from "./postgres/postgres-store.ts";
export { withoutPassword } from "./redact.ts";
export { RedisJournalStore, type RedisStoreOptions } from "./redis/redis-store.ts";
export { sourceOf } from "./snapshot-source.ts";
export { SqliteJournalStore } from "./sqlite/sqlite-store.ts";

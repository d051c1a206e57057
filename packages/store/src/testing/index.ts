// @bank/store/testing: for the tests of those who use a store.
export { type AppendFault, FaultyStore } from "./faulty-store.ts";
export { freePort } from "./free-port.ts";
export { findPostgresPrograms, quickFolder, serverUser } from "./postgres-programs.ts";
export { PostgresServer } from "./postgres-server.ts";
export { RedisServer, type RedisServerStart } from "./redis-server.ts";
export { whereDisksCanBeMade } from "./small-disk.ts";

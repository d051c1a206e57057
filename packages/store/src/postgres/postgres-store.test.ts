import { Client } from "pg";
import { afterAll, beforeAll, expect } from "vitest";
import { describeJournalStore } from "../conformance/index.ts";
import { describeWithPostgres } from "../conformance/with-postgres.ts";
import type { JournalStore } from "../port.ts";
import { migrate } from "./migrations.ts";
import { Connections, TIMES } from "./places.test-util.ts";
import { PostgresJournalStore } from "./postgres-store.ts";

const TABLES = ["batches", "gap", "snapshots", "snapshot_pages", "shared_pages"];
/** As a migration leaves it. To make all tables anew for each test takes longer than all that a test does. */
const AS_NEW = [
  ...TABLES.map((table) => `DELETE FROM bank.${table}`),
  `UPDATE bank.lease SET token = NULL, address = NULL, beat = 0, epoch = 0, bank_id = NULL, closed_cleanly = true`,
].join("; ");

const CONNECTED = "SELECT count(*)::int AS connected FROM pg_stat_activity WHERE application_name = 'bank-server'";
const HASTY_MS = 20;

describeWithPostgres("with a PostgreSQL server", (server) => {
  let client: Client | undefined;
  beforeAll(async () => {
    await migrate(server().url("bank"));
    client = new Client({ connectionString: `postgres://bank@127.0.0.1:${server().port}/postgres` });
    await client.connect();
  });
  afterAll(() => client?.end());

  /** Until the server has seen that they are gone: a sign of life that is still under way comes too late to be one. */
  const noStoreIsConnected = async () => {
    await expect
      .poll(async () => (await client?.query(CONNECTED))?.rows[0]?.connected, { interval: 2, timeout: 5_000 })
      .toBe(0);
  };

  describeJournalStore("postgres", async () => {
    const connections = new Map<JournalStore, Connections>();
    let takeOverAfterMs = TIMES.takeOverAfterMs;
    return {
      connect: () => {
        const own = new Connections();
        const options = { ...TIMES, takeOverAfterMs, openConnection: own.open };
        const store = new PostgresJournalStore({ url: server().url("bank"), ...options });
        connections.set(store, own);
        return store;
      },
      abandon: async (store) => {
        connections.get(store)?.cut();
        await noStoreIsConnected();
        // Whoever comes next has nobody to fear.
        takeOverAfterMs = HASTY_MS;
      },
      dispose: async () => {
        await client?.query(AS_NEW);
      },
    };
  });
});

import { Client } from "pg";
import { onTestFinished } from "vitest";
import { BANK_ID } from "../conformance/chain.ts";
import type { PostgresServer } from "../testing/postgres-server.ts";
import type { OpenConnection } from "./ask-host.ts";
import { Connection } from "./connection.ts";
import { migrate } from "./migrations.ts";
import { NotSentError } from "./postgres-errors.ts";
import { PostgresJournalStore, type PostgresStoreOptions } from "./postgres-store.ts";

/** So that a holder that a busy machine holds up for a moment keeps its lease, and contenders still wait only a little. */
export const TIMES = { ttlMs: 20_000, beatMs: 100, takeOverAfterMs: 500, deadlineMs: 10_000 };

/** The connections of one store, which can be cut as by the end of its process. */
export class Connections {
  readonly #made: Connection[] = [];
  #isCut = false;

  readonly open: OpenConnection = async (host, options) => {
    if (this.#isCut) throw new NotSentError("this process has ended");
    const connection = await Connection.open(host, options);
    this.#made.push(connection);
    if (this.#isCut) connection.drop();
    return connection;
  };

  cut(): void {
    this.#isCut = true;
    for (const connection of this.#made) connection.drop();
  }
}

let schemas = 0;

/** A new schema with the tables of a bank, and stores over it that are closed after the test. */
export async function newPlace(server: PostgresServer) {
  const schema = `bank_${++schemas}`;
  await migrate(server.url(schema));
  const stores: PostgresJournalStore[] = [];
  onTestFinished(async () => {
    for (const store of stores) await store.close();
  });
  const connect = (options: Partial<PostgresStoreOptions> = {}): PostgresJournalStore => {
    const store = new PostgresJournalStore({ url: server.url(schema), ...TIMES, ...options });
    stores.push(store);
    return store;
  };
  const openBank = async (options?: Partial<PostgresStoreOptions>): Promise<PostgresJournalStore> => {
    const store = connect(options);
    await store.open();
    await store.initialize(BANK_ID);
    return store;
  };
  return { schema, url: server.url(schema), connect, openBank };
}

/** A connection of a test's own, for what no store does. */
export async function plainClient(server: PostgresServer): Promise<Client> {
  const client = new Client({ connectionString: server.url("bank").replace(/\?.*/, "") });
  client.on("error", () => {
    // The server is ended while it is connected.
  });
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

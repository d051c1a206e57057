import { Client } from "pg";

const QUERY_TIMEOUT_MS = 1_000;

/** Who has the lease on a bank's store, as its row says. */
export class LeaderWatch {
  private readonly url: string;
  private readonly schema: string;
  /** Of those who ask at the same time; made anew when it broke. */
  private connection: Promise<Client> | undefined;

  /** @param storeUrl as bank servers have it. */
  constructor(storeUrl: string) {
    this.schema = new URL(storeUrl.replace(/,[^/?]*/, "")).searchParams.get("schema") ?? "bank";
    if (!/^[a-z0-9_]+$/.test(this.schema)) throw new TypeError(`no name of a schema: ${this.schema}`);
    // The other parameters are the store's own.
    this.url = storeUrl.replace(/\?.*/, "");
  }

  /** Its address; undefined while there is none, or it has not said where it is, or the database does not answer. */
  async leader(): Promise<string | undefined> {
    this.connection ??= connect(this.url);
    const { connection } = this;
    try {
      const text = `SELECT address FROM "${this.schema}".lease WHERE id = 1 AND token IS NOT NULL`;
      const { rows } = await (await connection).query<{ address: string | null }>(text);
      return rows[0]?.address ?? undefined;
    } catch {
      // Where there is no database there is no leader; the next look asks anew.
      if (this.connection === connection) this.connection = undefined;
      await end(connection);
      return undefined;
    }
  }

  /** Idempotent. */
  async close(): Promise<void> {
    const { connection } = this;
    this.connection = undefined;
    if (connection !== undefined) await end(connection);
  }
}

async function connect(connectionString: string): Promise<Client> {
  const times = { connectionTimeoutMillis: QUERY_TIMEOUT_MS, query_timeout: QUERY_TIMEOUT_MS };
  const client = new Client({ connectionString, ...times });
  client.on("error", () => {
    // The next query finds it broken.
  });
  await client.connect();
  return client;
}

async function end(connection: Promise<Client>): Promise<void> {
  const isBroken = () => undefined;
  await connection.then((client) => client.end(), isBroken).catch(isBroken);
}

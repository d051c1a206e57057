import { Client } from "pg";

const QUERY_TIMEOUT_MS = 1_000;

/** Who has the lease on a bank's store, as its row says. */
export class LeaderWatch {
  private readonly url: string;
  private readonly schema: string;
  private client: Client | undefined;

  /** @param storeUrl as bank servers have it. */
  constructor(storeUrl: string) {
    this.schema = new URL(storeUrl.replace(/,[^/?]*/, "")).searchParams.get("schema") ?? "bank";
    if (!/^[a-z0-9_]+$/.test(this.schema)) throw new TypeError(`no name of a schema: ${this.schema}`);
    // The other parameters are the store's own.
    this.url = storeUrl.replace(/\?.*/, "");
  }

  /** Its address; undefined while there is none, or it has not said where it is, or the database does not answer. */
  async leader(): Promise<string | undefined> {
    try {
      this.client ??= await this.connected();
      const text = `SELECT address FROM "${this.schema}".lease WHERE id = 1 AND token IS NOT NULL`;
      const { rows } = await this.client.query<{ address: string | null }>(text);
      return rows[0]?.address ?? undefined;
    } catch {
      // Where there is no database there is no leader; the next look asks anew.
      await this.close();
      return undefined;
    }
  }

  /** Idempotent. */
  async close(): Promise<void> {
    const { client } = this;
    this.client = undefined;
    await client?.end().catch(() => {
      // It was broken already.
    });
  }

  private async connected(): Promise<Client> {
    const client = new Client({
      connectionString: this.url,
      connectionTimeoutMillis: QUERY_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
    });
    client.on("error", () => {
      this.client = undefined;
    });
    await client.connect();
    return client;
  }
}

import { describe, expect, it } from "vitest";
import { Chain } from "../conformance/chain.ts";
import { describeWithPostgres } from "../conformance/with-postgres.ts";
import { AppendRefusedError, StoreError, StoreVersionError, UnsafeSettingsError } from "../errors.ts";
import { Connection } from "./connection.ts";
import { migrate, SCHEMA_VERSION } from "./migrations.ts";
import { parsePlace } from "./place.ts";
import { newPlace, plainClient } from "./places.test-util.ts";
import { PostgresJournalStore } from "./postgres-store.ts";
import { judgeSettings } from "./server-settings.ts";

const SAFE = { fsync: "on", full_page_writes: "on", synchronous_commit: "on", synchronous_standby_names: "ANY 1 (b)" };

function judge(
  values: Readonly<Record<string, string>> = {},
  { inRecovery = false, standbys = ["quorum"] as readonly string[] } = {},
) {
  const known = Object.entries({ ...SAFE, ...values });
  return judgeSettings({ inRecovery, standbys, values: new Map(known) });
}

describe("the settings of a server", () => {
  it("are fine where everything that is acknowledged is on two disks", () => {
    expect(judge()).toEqual({ dangers: [], warnings: [] });
    expect(judge({ synchronous_commit: "remote_apply" })).toEqual({ dangers: [], warnings: [] });
  });

  it.each([
    [{ fsync: "off" }, /power cut/],
    [{ full_page_writes: "off" }, /power cut/],
    [{ synchronous_commit: "off" }, /last acknowledged commits/],
    [{ synchronous_commit: "local" }, /standbys are not waited for/],
    [{ synchronous_commit: "remote_write" }, /what its disk does not have yet/],
    [{ synchronous_commit: "sometimes" }, /has to be on/],
  ])("are dangerous with %j", (values, why) => {
    const { dangers, warnings } = judge(values);
    expect(dangers).toEqual([expect.stringMatching(why)]);
    expect(warnings).toEqual([]);
  });

  it("are dangerous on a standby", () => {
    expect(judge({}, { inRecovery: true }).dangers).toEqual([expect.stringMatching(/connect to the primary/)]);
  });

  it("are worth a warning where a failover loses something", () => {
    expect(judge({ synchronous_standby_names: "" }, { standbys: [] }).warnings).toEqual([
      expect.stringMatching(/on one disk only/),
    ]);
    expect(judge({}, { standbys: ["sync", "async"] }).warnings).toEqual([expect.stringMatching(/asynchronous/)]);
  });

  it("are worth a warning where the server does not know them, as others with the same protocol", () => {
    const unknown = { inRecovery: undefined, standbys: undefined, values: new Map<string, string>() };
    const { dangers, warnings } = judgeSettings(unknown);
    expect(dangers).toEqual([]);
    expect(warnings).toHaveLength(4);
  });
});

describe("a URL", () => {
  it("names a database and a schema, and gives nothing away", () => {
    expect(parsePlace("postgresql://bank:s%40cret@db.example:5433/money?schema=two&sslmode=disable")).toEqual({
      hosts: [
        {
          connectionString: "postgresql://bank:s%40cret@db.example:5433/money?sslmode=disable",
          name: "db.example:5433",
        },
      ],
      connectTimeoutMs: undefined,
      schema: "two",
      allowDataLoss: false,
      name: 'postgres://db.example:5433/money, schema "two"',
    });
    expect(parsePlace("postgres:///money?allow_data_loss=true")).toMatchObject({
      schema: "bank",
      allowDataLoss: true,
      name: 'postgres://localhost/money, schema "bank"',
    });
  });
});

it.each(["bank:s@cret/1@db.example/money", "bank:12/cret@db.example/money", "bank:12?cret@db.example/money"])(
  "a URL whose password is not encoded gives nothing of it away: %s",
  (rest) => {
    const read = () => parsePlace(`postgres://${rest}`);
    expect(read).toThrow(/%40/);
    expect(read).not.toThrow(/cret|12/);
  },
);

describeWithPostgres("opening", (server) => {
  it("says what the operator should know", async () => {
    const place = await newPlace(server());
    const store = await place.openBank();
    expect(store.warnings).toEqual([expect.stringMatching(/synchronous_standby_names is empty/)]);
  });

  it("refuses a server that can lose what it acknowledged, unless that is allowed", async () => {
    const place = await newPlace(server());
    const client = await plainClient(server());
    await client.query("CREATE ROLE careless LOGIN SUPERUSER; ALTER ROLE careless SET synchronous_commit = off");
    const url = place.url.replace("//bank@", "//careless:secret@");
    const refused: unknown = await place
      .connect({ url })
      .open()
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(UnsafeSettingsError);
    expect(String(refused)).toMatch(/synchronous_commit is "off".*allow_data_loss=true/);
    expect(String(refused)).not.toContain("secret");
    const store = place.connect({ url: `${url}&allow_data_loss=true` });
    await store.open();
    expect(store.warnings[0]).toMatch(/^DATA LOSS IS POSSIBLE AND WAS ALLOWED: synchronous_commit/);
  });

  it("checks every connection anew", async () => {
    const place = await newPlace(server());
    const store = await place.openBank();
    const client = await plainClient(server());
    await client.query("ALTER SYSTEM SET full_page_writes = off");
    await client.query("SELECT pg_reload_conf()");
    try {
      await expect
        .poll(async () => (await client.query("SHOW full_page_writes")).rows[0])
        .toEqual({ full_page_writes: "off" });
      await expect(store.recover()).rejects.toThrow(UnsafeSettingsError);
    } finally {
      await client.query("ALTER SYSTEM RESET full_page_writes");
      await client.query("SELECT pg_reload_conf()");
    }
    await expect.poll(() => store.recover().then(() => "recovered", String)).toBe("recovered");
  });

  it("refuses a write for which there is only a server that is not safe, and takes it once there is another", async () => {
    const place = await newPlace(server());
    const made: Connection[] = [];
    let isSafe = true;
    const store = await place.openBank({
      openConnection: async (at, options) => {
        const careless = { ...at, connectionString: `${at.connectionString}?options=-c%20synchronous_commit%3Doff` };
        const connection = await Connection.open(isSafe ? at : careless, options);
        made.push(connection);
        return connection;
      },
    });
    const chain = new Chain();
    await store.append([chain.grow()], { epoch: 1 });
    isSafe = false;
    for (const connection of made.splice(0)) connection.drop();
    const refused: unknown = await store.append([chain.grow()], { epoch: 1 }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(AppendRefusedError);
    expect(refused).toMatchObject({ cause: { name: "UnsafeSettingsError" } });
    isSafe = true;
    await store.append(chain.batches, { epoch: 1 });
  });

  it("needs the tables that a migration makes, and knows newer and older ones", async () => {
    const url = server().url("tables");
    const open = () => new PostgresJournalStore({ url }).open();
    await expect(open()).rejects.toThrow(/no tables of a bank yet: run "bank-server migrate"/);
    await expect(open()).rejects.toThrow(StoreError);
    expect(await migrate(url)).toMatchObject({ from: 0, to: SCHEMA_VERSION });
    expect(await migrate(url)).toMatchObject({ from: SCHEMA_VERSION, to: SCHEMA_VERSION });
    const client = await plainClient(server());
    await client.query("UPDATE tables.bank_schema SET version = 0");
    await expect(open()).rejects.toThrow(/run "bank-server migrate"/);
    await client.query(`UPDATE tables.bank_schema SET version = ${SCHEMA_VERSION + 1}`);
    await expect(open()).rejects.toThrow(StoreVersionError);
    await expect(migrate(url)).rejects.toThrow(StoreVersionError);
  });

  it("is prepared by several who migrate at the same time", async () => {
    const url = server().url("together");
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => migrate(url)));
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "fulfilled"]);
    const client = await plainClient(server());
    const storage = await client.query(
      `SELECT attname, attstorage FROM pg_attribute WHERE attrelid = 'together.batches'::regclass AND attname = 'frame'`,
    );
    expect(storage.rows).toEqual([{ attname: "frame", attstorage: "e" }]);
    const store = new PostgresJournalStore({ url });
    expect(await store.open()).toMatchObject({ epoch: 0, head: undefined });
    await store.close();
  });

  it("keeps the banks of two schemas apart", async () => {
    const [one, two] = [await newPlace(server()), await newPlace(server())];
    const [first, second] = [await one.openBank(), two.connect()];
    expect(await second.open()).toMatchObject({ bankId: undefined });
    await second.initialize(new Uint8Array(16).fill(9));
    expect((await first.recover()).bankId).not.toEqual((await second.recover()).bankId);
  });
});

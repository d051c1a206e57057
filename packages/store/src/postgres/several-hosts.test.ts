import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { BANK_ID, Chain } from "../conformance/chain.ts";
import { readAll } from "../conformance/fixture.ts";
import { describeWithPostgres } from "../conformance/with-postgres.ts";
import { StoreError, UnsafeSettingsError } from "../errors.ts";
import { freePort } from "../testing/free-port.ts";
import { Connection } from "./connection.ts";
import { migrate } from "./migrations.ts";
import { parsePlace } from "./place.ts";
import { newPlace, plainClient, TIMES } from "./places.test-util.ts";
import { PostgresJournalStore, type PostgresStoreOptions } from "./postgres-store.ts";
import { connectToPrimary } from "./primary.ts";

const EPOCH = { epoch: 1 };
/** One that says nothing would hold up a test for longer than it may take. */
const PATIENTLY = "&connect_timeout=60";
const WAIT = { timeout: 20_000 };

describe("a URL with several hosts", () => {
  it("names each of them, and gives nothing away", () => {
    const text =
      "postgres://bank:a%2Cb@one:5433,two,[::1]:7/money?schema=x&connect_timeout=3&target_session_attrs=read-write";
    expect(parsePlace(text)).toEqual({
      hosts: [
        { connectionString: "postgres://bank:a%2Cb@one:5433/money", name: "one:5433" },
        { connectionString: "postgres://bank:a%2Cb@two/money", name: "two" },
        { connectionString: "postgres://bank:a%2Cb@[::1]:7/money", name: "[::1]:7" },
      ],
      connectTimeoutMs: 3_000,
      schema: "x",
      allowDataLoss: false,
      name: 'postgres://one:5433,two,[::1]:7/money, schema "x"',
    });
  });

  it.each([
    ["s@one,,two/money", /cannot be read/],
    ["s@one:5432,two:x/money", /cannot be read/],
    ["s@one,two/money?port=3", /"port" cannot stand/],
    ["s@one,two/money?host=three", /"host" and "port" cannot stand/],
    ["s@one/money?host=two,three", /before the database/],
    ["s@one,two/money?target_session_attrs=standby", /a bank writes/],
    ["s@one/money?connect_timeout=0", /from 1 to 60/],
    ["s@one/money?lease_ms=499", /from 500 to 60000, not "499"/],
    ["s@one/money?lease_ms=2s", /from 500 to 60000/],
    [`s@${"one,".repeat(16)}one/money`, /are the most/],
    ["12/cr,et@one,two/money", /%40/],
    ["12?cr,et@one,two/money", /%40/],
    ["12,3/cr,et@one,two/money", /%40/],
  ])("is refused where it makes no sense: %s", (rest, why) => {
    const read = () => parsePlace(`postgres://bank:${rest}`);
    expect(read).toThrow(why);
    expect(read).not.toThrow(/cr,et|bank:|12/);
  });
});

it.each([
  ["postgres:///money?host=/var/run/postgresql", 'postgres:///var/run/postgresql/money, schema "bank"'],
  ["postgres://bank@%2Ftmp%2Fsocket:5433/money", 'postgres://%2Ftmp%2Fsocket:5433/money, schema "bank"'],
  ["postgres://bank:secret@one/money?host=two&port=7&password=secret", 'postgres://two:7/money, schema "bank"'],
])("of %s messages name the server that is meant", (url, name) => {
  expect(parsePlace(url).name).toBe(name);
});

/** A place of several hosts, and stores over it that are closed after the test. */
function placeOf(schema: string, ports: readonly number[], parameters = "") {
  const hosts = ports.map((port) => `127.0.0.1:${port}`).join(",");
  const url = `postgres://bank:hidden@${hosts}/postgres?schema=${schema}${parameters}`;
  const connect = (options: Partial<PostgresStoreOptions> = {}): PostgresJournalStore => {
    const store = new PostgresJournalStore({ url, ...TIMES, ...options });
    onTestFinished(() => store.close());
    return store;
  };
  return { url, connect };
}

/** Takes connections and says nothing. */
async function silentPort(): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => sockets.add(socket.on("error", () => undefined))).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

describeWithPostgres("a store on several servers", (server) => {
  it("is where the primary is, and goes on at the next one, which is checked anew; one that was replaced is none any more", {
    timeout: 50_000,
  }, async () => {
    const primary = server();
    const { schema } = await newPlace(primary);
    const standby = await primary.startStandby();
    onTestFinished(() => standby.stop());
    const { url, connect } = placeOf(schema, [await freePort(), primary.port, standby.port]);
    expect(await migrate(url)).toMatchObject({ place: expect.stringContaining(`${primary.port},127.0.0.1`) });
    const store = connect();
    await store.open();
    await store.initialize(BANK_ID);
    const chain = new Chain();
    await store.append(chain.growBy(3), EPOCH);
    const onStandby = await plainClient(standby);
    const count = `SELECT count(*)::int AS count FROM ${schema}.batches`;
    await expect.poll(async () => (await onStandby.query(count)).rows, WAIT).toEqual([{ count: 3 }]);

    await primary.kill();
    await vi.waitUntil(
      () =>
        store
          .append([], EPOCH)
          .then(() => store.recover())
          .then(
            () => false,
            () => true,
          ),
      WAIT,
    );
    const refused: unknown = await store.recover().catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(StoreError);
    expect(String(refused)).toMatch(/none of the servers.*cannot connect.*; 127.0.0.1:\d+: it is a standby/);
    expect(String(refused)).not.toContain("hidden");

    await onStandby.query("ALTER SYSTEM SET full_page_writes = off");
    await onStandby.query("SELECT pg_reload_conf()");
    const waiting = connectToPrimary(parsePlace(placeOf(schema, [await silentPort(), standby.port], PATIENTLY).url), {
      openConnection: Connection.open,
      deadlineMs: 600_000,
    });
    await onStandby.query("SELECT pg_promote()");
    // Who was asked before is asked again while another one says nothing.
    await (await waiting).end();
    await expect(store.recover()).rejects.toThrow(UnsafeSettingsError);
    await onStandby.query("ALTER SYSTEM RESET full_page_writes");
    await onStandby.query("SELECT pg_reload_conf()");
    await vi.waitUntil(
      () =>
        store.recover().then(
          () => true,
          () => false,
        ),
      WAIT,
    );
    await store.append([chain.grow()], EPOCH);

    // As one whose manager stood still: it takes itself for the primary, and its journal is shorter.
    await primary.start();
    expect(await connect().open().catch(String)).toMatch(/StoreLockedError/);
    expect(await readAll(store)).toEqual(chain.batches);
    await store.close();
    const next = connect();
    expect((await next.open()).head?.position).toBe(chain.batches.length);
    await next.append([chain.grow()], EPOCH);
    // Nor where the new one is away for a moment.
    await standby.kill();
    await expect(next.recover()).rejects.toThrow(/promoted before one that this bank used \(timeline 1, not 2\)/);
    await standby.start();
    expect((await next.recover()).head?.position).toBe(chain.batches.length);
  });

  it("waits for one that says nothing no longer than a moment once there is a primary, and not for ever where there is none", async () => {
    const { schema } = await newPlace(server());
    const silent = await silentPort();
    const patiently = { openConnection: Connection.open, deadlineMs: 600_000 };
    const place = parsePlace(placeOf(schema, [silent, server().port], PATIENTLY).url);
    const connection = await connectToPrimary(place, patiently);
    await connection.end();
    const none = parsePlace(placeOf(schema, [silent, await freePort()]).url);
    const refused = connectToPrimary({ ...none, connectTimeoutMs: 100 }, patiently);
    await expect(refused).rejects.toThrow(/: no answer within 100 ms; .*ECONNREFUSED/);
  });
});

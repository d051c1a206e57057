import { describe, expect, it } from "vitest";
import { Chain } from "../conformance/chain.ts";
import { readAll } from "../conformance/fixture.ts";
import { describeWithPostgres } from "../conformance/with-postgres.ts";
import { AppendUnknownError, LeaseLostError, StoreError, StoreLockedError } from "../errors.ts";
import { sourceOf } from "../snapshot-source.ts";
import type { PostgresServer } from "../testing/postgres-server.ts";
import { Connection } from "./connection.ts";
import { CuttingProxy } from "./cutting-proxy.test-util.ts";
import { newPlace, plainClient } from "./places.test-util.ts";
import type { PostgresJournalStore } from "./postgres-store.ts";

const EPOCH = { epoch: 1 };
/** Gives no sign of life, as a process that stands still, and believes in its lease for long. */
const SILENT = { ttlMs: 600_000, beatMs: 600_000 };
const HASTY = { takeOverAfterMs: 50 };
const snapshot = sourceOf({ position: 1, header: Uint8Array.of(1), pages: [Uint8Array.of(1, 2)] });

/** Another program at the database, in the middle of a transaction that the test ends. */
async function transaction(server: PostgresServer) {
  const [client, watcher] = [await plainClient(server), await plainClient(server)];
  await client.query("BEGIN");
  /** Once so many statements with this text wait for what the transaction has locked. */
  const isWaitedForBy = async (text: string, by = 1) => {
    const waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1";
    const count = async () => (await watcher.query(waiting, [`%${text}%`])).rowCount;
    await expect.poll(count, { interval: 5, timeout: 10_000 }).toBe(by);
  };
  return { client, isWaitedForBy };
}

/** What `append` inserts at position 1, so that an append there has to wait. */
function occupied(schema: string): string {
  return `INSERT INTO ${schema}.batches (first_position, last_position, previous_hash, chain_hash, frame)
    VALUES (1, 1, '', '', '')`;
}

describeWithPostgres("fencing", (server) => {
  describe("a holder that was taken over", () => {
    it.each([
      ["append", (store: PostgresJournalStore, chain: Chain) => store.append([chain.next()], EPOCH)],
      ["append of several", (store: PostgresJournalStore, chain: Chain) => store.append(chain.growBy(3), EPOCH)],
      ["fence", (store: PostgresJournalStore) => store.fence(9)],
      ["saveSnapshot", (store: PostgresJournalStore) => store.saveSnapshot(snapshot)],
      ["seed", (store: PostgresJournalStore) => store.seed({ ...snapshot, position: 7 }, new Uint8Array(32))],
      ["announce", (store: PostgresJournalStore) => store.lease?.announce("http://old") ?? Promise.resolve()],
      ["confirm", (store: PostgresJournalStore) => store.lease?.confirm() ?? Promise.resolve()],
      ["recover", (store: PostgresJournalStore) => store.recover()],
    ])("changes nothing by %s, and is told so", async (_name, write) => {
      const place = await newPlace(server());
      const old = await place.openBank(SILENT);
      const chain = new Chain();
      await old.append([chain.grow()], EPOCH);
      const taker = place.connect(HASTY);
      expect((await taker.open()).head?.position).toBe(1);
      await taker.append([chain.grow({ variant: 1 })], EPOCH);
      // In its own eyes it still has the lease: it is the server that says no.
      expect(old.lease?.lost.aborted).toBe(false);
      const lease = old.lease;
      const stale = new Chain(chain.batches.slice(0, 1));
      await expect(write(old, stale)).rejects.toThrow(LeaseLostError);
      expect(lease?.lost.aborted).toBe(true);
      expect(lease?.lost.reason).toBeInstanceOf(LeaseLostError);
      await expect(old.append([stale.next()], EPOCH)).rejects.toThrow(StoreError);
      // Its end takes nothing from the one that has it now.
      await old.close();
      await taker.append([chain.grow()], EPOCH);
      expect(await readAll(taker)).toEqual(chain.batches);
      expect(await taker.snapshotPositions()).toEqual([]);
      expect((await taker.recover()).epoch).toBe(0);
    });

    it("in the middle of its recovery, finds no loss in what the other one has saved since", async () => {
      const place = await newPlace(server());
      let takeOver: (() => Promise<void>) | undefined;
      const old = await place.openBank({
        ...SILENT,
        openConnection: async (at, options) => {
          const connection = await Connection.open(at, options);
          const query = connection.query.bind(connection);
          connection.query = async (statement, values) => {
            const act = statement.name === "bank_snapshots" || statement.name === "bank_before" ? takeOver : undefined;
            if (act !== undefined) await act();
            return query(statement, values);
          };
          return connection;
        },
      });
      const chain = new Chain();
      await old.append([chain.grow()], EPOCH);
      let looks = 0;
      takeOver = async () => {
        // Between one look and the next.
        if (++looks !== 2) return;
        const taker = place.connect(HASTY);
        await taker.open();
        await taker.append([chain.grow()], EPOCH);
        await taker.saveSnapshot({ ...snapshot, position: 2 });
      };
      await old.recover();
      expect(looks).toBeGreaterThanOrEqual(2);
      await expect(old.append([chain.next()], EPOCH)).rejects.toThrow(LeaseLostError);
    });

    it("fills no gap any more", async () => {
      const place = await newPlace(server());
      const old = await place.openBank(SILENT);
      const chain = new Chain();
      chain.growBy(2);
      await old.seed({ ...snapshot, position: 2 }, chain.hash);
      const taker = place.connect(HASTY);
      await taker.open();
      await expect(old.fill(chain.batches.slice(0, 1))).rejects.toThrow(LeaseLostError);
      expect(await taker.gap()).toMatchObject({ filled: undefined });
      await taker.fill(chain.batches);
      expect(await readAll(taker)).toEqual(chain.batches);
    });

    it("makes nothing of a snapshot that it had begun", async () => {
      const place = await newPlace(server());
      const old = await place.openBank(SILENT);
      const chain = new Chain();
      await old.append([chain.grow()], EPOCH);
      const taker = place.connect(HASTY);
      const pages = async function* () {
        yield Uint8Array.of(1);
        await taker.open();
      };
      await expect(old.saveSnapshot({ ...snapshot, pages: pages() })).rejects.toThrow(LeaseLostError);
      expect(await taker.snapshotPositions()).toEqual([]);
    });

    it("and of which nothing is heard in the middle of a step of a snapshot, keeps nobody from taking over", async () => {
      const place = await newPlace(server());
      const proxy = await CuttingProxy.before(server().port);
      const url = server().url(place.schema, "", proxy.port);
      const old = await place.openBank({ url, ...SILENT, deadlineMs: 2_000 });
      const chain = new Chain();
      await old.append([chain.grow()], EPOCH);
      // The server goes on waiting for what comes next, with the lease's row locked.
      const isCut = proxy.cut({ isHeldWith: "bank_commit" });
      await expect(old.saveSnapshot(snapshot)).rejects.toThrow(AppendUnknownError);
      await isCut;
      const taker = place.connect({ ...HASTY, deadlineMs: 2_000 });
      expect((await taker.open()).head?.position).toBe(1);
      expect(await taker.snapshotPositions()).toEqual([]);
    });

    it.each(["commits", "is rolled back"])(
      "whose append waits while another takes over writes only where the take-over %s",
      async (end) => {
        const place = await newPlace(server());
        const store = await place.openBank(SILENT);
        const { client, isWaitedForBy } = await transaction(server());
        await client.query(
          `UPDATE ${place.schema}.lease SET token = '\\x00112233445566778899aabbccddeeff', beat = beat + 1`,
        );
        const batch = new Chain().next();
        const appended = store.append([batch], EPOCH).then(
          () => "stored",
          (error: unknown) => error,
        );
        await isWaitedForBy("INTO");
        await client.query(end === "commits" ? "COMMIT" : "ROLLBACK");
        const outcome = await appended;
        const { rows } = await client.query(`SELECT first_position::int AS position FROM ${place.schema}.batches`);
        if (end === "commits") expect(outcome).toBeInstanceOf(LeaseLostError);
        else expect(outcome).toBe("stored");
        expect(rows).toEqual(end === "commits" ? [] : [{ position: 1 }]);
      },
    );

    it("but whose append is on its way is waited for: the next holder finds it", async () => {
      const place = await newPlace(server());
      const old = await place.openBank(SILENT);
      const { client, isWaitedForBy } = await transaction(server());
      await client.query(occupied(place.schema));
      const chain = new Chain();
      const appended = old.append([chain.grow()], EPOCH);
      await isWaitedForBy("INTO");
      const taker = place.connect(HASTY);
      const opened = taker.open();
      await isWaitedForBy("SET token");
      await client.query("ROLLBACK");
      await appended;
      expect((await opened).head).toEqual({ position: 1, chainHash: chain.hash });
      await taker.append([chain.grow()], EPOCH);
      expect(await readAll(taker)).toEqual(chain.batches);
    });
  });

  describe("an append that nobody knows of and that still runs", () => {
    it.each(["behind its lock on the lease", "before it"])(
      "is waited for by the recovery, or excluded (%s)",
      async (where) => {
        const place = await newPlace(server());
        const proxy = await CuttingProxy.before(server().port);
        const store = await place.openBank({ url: server().url(place.schema, "", proxy.port), ...SILENT });
        const { client, isWaitedForBy } = await transaction(server());
        await client.query(
          where === "before it" ? `SELECT 1 FROM ${place.schema}.lease FOR UPDATE` : occupied(place.schema),
        );
        const chain = new Chain();
        const appended = store.append([chain.grow()], EPOCH).catch((error: unknown) => error);
        await isWaitedForBy("INTO");
        proxy.cutAll();
        expect(await appended).toMatchObject({ name: "AppendUnknownError" });
        const recovered = store.recover();
        await isWaitedForBy("SET token");
        // It is not there yet: who only looked would go on without it.
        expect((await client.query(`SELECT 1 FROM ${place.schema}.batches WHERE frame <> ''`)).rowCount).toBe(0);
        await client.query("ROLLBACK");
        const { head } = await recovered;
        if (where !== "before it") expect(head).toEqual({ position: 1, chainHash: chain.hash });
        await store.append(chain.batches, EPOCH);
        await store.append([chain.grow()], EPOCH);
        expect(await readAll(store)).toEqual(chain.batches);
      },
    );

    it("writes nothing when it arrives only after the recovery", async () => {
      const place = await newPlace(server());
      const proxy = await CuttingProxy.before(server().port);
      const store = await place.openBank({ url: server().url(place.schema, "", proxy.port), ...SILENT });
      const chain = new Chain();
      await store.append([chain.grow()], EPOCH);
      const isCut = proxy.cut({ isHeldWith: "bank_append" });
      await expect(store.append([chain.next()], EPOCH)).rejects.toThrow(AppendUnknownError);
      await isCut;
      expect((await store.recover()).head?.position).toBe(1);
      // A row came back, in which it says that the lease is another's: no row was inserted.
      expect(await proxy.deliver()).toContain("SELECT 1");
      await store.append([chain.grow({ variant: 1 })], EPOCH);
      expect(await readAll(store)).toEqual(chain.batches);
    });
  });

  describe("the lease", () => {
    it("tells who is turned away where its holder can be reached", async () => {
      const place = await newPlace(server());
      const holder = await place.openBank();
      await holder.lease?.announce("http://127.0.0.1:50051");
      const error: unknown = await place
        .connect()
        .open()
        .catch((e: unknown) => e);
      expect(error).toBeInstanceOf(StoreLockedError);
      expect(error).toMatchObject({ holder: "http://127.0.0.1:50051" });
      await holder.recover();
      await holder.lease?.confirm();
      await expect(place.connect().open()).rejects.toMatchObject({ holder: "http://127.0.0.1:50051" });
      // Nobody's address outlives its lease.
      await holder.close();
      const next = await place.openBank();
      await expect(place.connect().open()).rejects.toMatchObject({ holder: undefined });
      expect(holder.lease).toBeUndefined();
      expect(next.lease?.lost.aborted).toBe(false);
    });

    it("goes to one of many who want it, and have all seen that nobody has it", async () => {
      const place = await newPlace(server());
      await place.openBank(SILENT);
      const { client, isWaitedForBy } = await transaction(server());
      await client.query(`SELECT 1 FROM ${place.schema}.lease FOR UPDATE`);
      const opened = Promise.allSettled([1, 2, 3, 4].map(() => place.connect({ ...HASTY, beatMs: 5 }).open()));
      await isWaitedForBy("SET token", 4);
      await client.query("ROLLBACK");
      const outcomes = await opened;
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      for (const outcome of outcomes)
        if (outcome.status === "rejected") expect(outcome.reason).toBeInstanceOf(StoreLockedError);
    });

    it("is confirmed by one write for all who ask before it begins", async () => {
      const place = await newPlace(server());
      const store = await place.openBank({ ...SILENT });
      const client = await plainClient(server());
      const beats = async () => Number((await client.query(`SELECT beat FROM ${place.schema}.lease`)).rows[0].beat);
      await store.lease?.confirm();
      const before = await beats();
      await Promise.all(Array.from({ length: 20 }, () => store.lease?.confirm()));
      // The first begins at once, and may take along those who ask in the same moment.
      const after = await beats();
      expect(after - before).toBeGreaterThanOrEqual(1);
      expect(after - before).toBeLessThanOrEqual(2);
    });

    it("is confirmed while an append waits for a long time before it locks anything", async () => {
      const place = await newPlace(server());
      const store = await place.openBank();
      await store.lease?.confirm();
      const chain = new Chain();
      const appends = Promise.all(
        Array.from({ length: 30 }, () => store.append([chain.grow({ frameBytes: 100_000 })], EPOCH)),
      );
      for (let i = 0; i < 5; i++) await store.lease?.confirm();
      await appends;
      expect(store.lease?.lost.aborted).toBe(false);
    });

    it("is given up with its store, and not lost later, where a sign of life was on its way", async () => {
      const place = await newPlace(server());
      const asked = Promise.withResolvers<void>();
      const store = await place.openBank({
        ttlMs: 600,
        beatMs: 10,
        openConnection: async (at, options) => {
          const connection = await Connection.open(at, options);
          const [commit, drop] = [connection.commit.bind(connection), connection.drop.bind(connection)];
          connection.commit = (statement, values) => {
            if (statement.name !== "bank_beat") return commit(statement, values);
            return new Promise((_, reject) => {
              connection.drop = (cause) => {
                drop(cause);
                reject(new Error("it was given up"));
              };
              asked.resolve();
            });
          };
          return connection;
        },
      });
      const { lease } = store;
      await asked.promise;
      await store.close();
      await new Promise((resolve) => setTimeout(resolve, 550));
      expect(lease?.lost.aborted).toBe(false);
    });

    it("is lost to its holder before its time has passed, when the server does not answer", async () => {
      const place = await newPlace(server());
      const proxy = await CuttingProxy.before(server().port);
      const store = await place.openBank({ url: server().url(place.schema, "", proxy.port), ttlMs: 500, beatMs: 50 });
      const { lease } = store;
      await lease?.confirm();
      const renewedAtMs = performance.now();
      proxy.close();
      await expect.poll(() => lease?.lost.aborted, { interval: 2 }).toBe(true);
      expect(performance.now() - renewedAtMs).toBeLessThan(500);
      await expect(store.append([new Chain().next()], EPOCH)).rejects.toThrow(LeaseLostError);
      await expect(lease?.confirm()).rejects.toThrow(LeaseLostError);
      // Reads go on to show what was acknowledged, where the server can be reached.
      await expect(store.read(0)).resolves.toEqual([]);
    });
  });
});

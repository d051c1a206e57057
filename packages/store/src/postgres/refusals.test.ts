import { describe, expect, it } from "vitest";
import { Chain } from "../conformance/chain.ts";
import { readAll } from "../conformance/fixture.ts";
import { describeWithPostgres } from "../conformance/with-postgres.ts";
import {
  AppendRefusedError,
  AppendUnknownError,
  CorruptStoreError,
  JournalConflictError,
  StaleEpochError,
  StoreError,
} from "../errors.ts";
import { newPlace, plainClient } from "./places.test-util.ts";
import { ConnectionLostError, failure, NotSentError, writeFailure } from "./postgres-errors.ts";

const EPOCH = { epoch: 1 };

function serverError(code: string, severity = "ERROR"): Error {
  return Object.assign(new Error("as the server says"), { code, severity });
}

describe("of a write that failed", () => {
  it.each(["40001", "40P01", "55P03", "53100", "53200", "53300", "57014", "42501", "25006", "0A000", "22003", "54000"])(
    "nothing was stored where the server says %s",
    (code) => {
      expect(writeFailure(serverError(code), "append")).toBeInstanceOf(AppendRefusedError);
    },
  );

  it.each(["57P01", "57P02", "57P03", "40003", "XX000", "XX001", "58030", "58P01", "08006", "08003", "P0001", "01000"])(
    "nobody knows where the server says %s",
    (code) => {
      expect(writeFailure(serverError(code), "append")).toBeInstanceOf(AppendUnknownError);
    },
  );

  it("nobody knows where the session ended with the error, or the connection broke", () => {
    expect(writeFailure(serverError("53200", "FATAL"), "append")).toBeInstanceOf(AppendUnknownError);
    expect(writeFailure(new ConnectionLostError("gone"), "append")).toBeInstanceOf(AppendUnknownError);
    expect(writeFailure(new NotSentError("gone before"), "append")).toBeInstanceOf(AppendRefusedError);
  });

  it("what is no error of a server's stays what it is", () => {
    const bug = new TypeError("a bug");
    expect(writeFailure(bug, "append")).toBe(bug);
    expect(failure(bug, "read")).toBe(bug);
    expect(failure(serverError("XX001"), "read")).toBeInstanceOf(CorruptStoreError);
    expect(failure(serverError("42501"), "read")).toBeInstanceOf(StoreError);
  });
});

describeWithPostgres("an append that the server turns away", (server) => {
  it("is tried again after a serialization failure (40001)", async () => {
    const place = await newPlace(server());
    const isolation = encodeURIComponent("-c default_transaction_isolation=repeatable\\ read");
    const store = await place.openBank({ url: server().url(place.schema, `&options=${isolation}`), beatMs: 600_000 });
    const [client, watcher] = [await plainClient(server()), await plainClient(server())];
    const chain = new Chain();
    await client.query(`BEGIN; UPDATE ${place.schema}.lease SET beat = beat + 1`);
    const appended = store.append([chain.grow()], EPOCH);
    const waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INTO%'";
    await expect.poll(async () => (await watcher.query(waiting)).rowCount).toBe(1);
    await client.query("COMMIT");
    await appended;
    await store.append([chain.grow()], EPOCH);
    expect(await readAll(store)).toEqual(chain.batches);
  });

  it("is tried again after a deadlock (40P01)", async () => {
    const place = await newPlace(server());
    const store = await place.openBank({ beatMs: 600_000 });
    const [client, watcher] = [await plainClient(server()), await plainClient(server())];
    const chain = new Chain();
    await client.query(
      `BEGIN; SET LOCAL deadlock_timeout = '20s';
       INSERT INTO ${place.schema}.batches (first_position, last_position, previous_hash, chain_hash, frame)
       VALUES (1, 1, '', '', '')`,
    );
    const appended = store.append([chain.grow()], EPOCH);
    const waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INTO%'";
    await expect.poll(async () => (await watcher.query(waiting)).rowCount).toBe(1);
    // Each has now what the other wants, and the append is the one that looks for that first.
    await client.query(`UPDATE ${place.schema}.lease SET beat = beat`);
    await client.query("ROLLBACK");
    await appended;
    const deadlocks = "SELECT deadlocks::int FROM pg_stat_database WHERE datname = 'postgres'";
    await expect.poll(async () => (await watcher.query(deadlocks)).rows[0].deadlocks, { timeout: 10_000 }).toBe(1);
    expect(await readAll(store)).toEqual(chain.batches);
  });

  it("is refused, with nothing in doubt, when a lock is held for too long (55P03)", async () => {
    const place = await newPlace(server());
    const store = await place.openBank({ deadlineMs: 400 });
    const client = await plainClient(server());
    const chain = new Chain();
    await client.query(`BEGIN; UPDATE ${place.schema}.lease SET beat = beat`);
    await expect(store.append([chain.grow()], EPOCH)).rejects.toThrow(AppendRefusedError);
    await client.query("ROLLBACK");
    await store.append(chain.batches, EPOCH);
    expect(await readAll(store)).toEqual(chain.batches);
  });

  it.each(["pg_cancel_backend", "pg_terminate_backend"])(
    "is in doubt when its wait for a standby is ended by %s, and is there",
    async (end) => {
      const place = await newPlace(server());
      const store = await place.openBank({ beatMs: 600_000, ttlMs: 600_000, deadlineMs: 5_000 });
      const client = await plainClient(server());
      const standby = async (names: string) => {
        await client.query(`ALTER SYSTEM SET synchronous_standby_names = '${names}'`);
        await client.query("SELECT pg_reload_conf()");
        await expect
          .poll(async () => (await client.query("SHOW synchronous_standby_names")).rows[0])
          .toEqual({
            synchronous_standby_names: names,
          });
      };
      const chain = new Chain();
      await store.append([chain.grow()], EPOCH);
      await standby("nobody");
      try {
        // Commits do not wait before the checkpointer, too, has read its settings again: until one does, another is appended.
        let isOver = true;
        let appended: Promise<unknown> | undefined;
        const ended = `SELECT ${end}(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE '%INTO%'`;
        const endOneThatWaits = async () => {
          if (isOver) {
            isOver = false;
            appended = store
              .append([chain.grow()], EPOCH)
              .catch((error: unknown) => error)
              .finally(() => {
                isOver = true;
              });
          }
          return (await client.query(ended)).rowCount;
        };
        await expect.poll(endOneThatWaits).toBe(1);
        expect(await appended).toBeInstanceOf(AppendUnknownError);
        await expect(store.append(chain.batches, EPOCH)).rejects.toThrow(AppendUnknownError);
      } finally {
        await standby("");
      }
      expect((await store.recover()).head?.position).toBe(chain.end);
      await store.append([...chain.batches, chain.grow()], EPOCH);
      expect(await readAll(store)).toEqual(chain.batches);
    },
  );
});

describeWithPostgres("a journal that changed behind the holder's back", (server) => {
  const change = {
    "lost its last batch": { sql: "DELETE FROM $.batches WHERE last_position = 2", error: CorruptStoreError },
    "lost everything": { sql: "DELETE FROM $.batches", error: CorruptStoreError },
    "has another chain hash": {
      sql: "UPDATE $.batches SET chain_hash = frame WHERE last_position = 2",
      error: CorruptStoreError,
    },
    "has one batch more": {
      sql: "INSERT INTO $.batches SELECT 3, 3, previous_hash, chain_hash, frame FROM $.batches WHERE last_position = 2",
      error: JournalConflictError,
    },
    "was fenced": { sql: "UPDATE $.lease SET epoch = 7", error: StaleEpochError },
  };

  it.each(Object.entries(change))("takes no batch where it %s", async (_what, { sql, error }) => {
    const place = await newPlace(server());
    const store = await place.openBank();
    const chain = new Chain();
    await store.append(chain.growBy(2), EPOCH);
    const client = await plainClient(server());
    await client.query(sql.replaceAll("$", place.schema));
    const count = `SELECT count(*)::int AS count FROM ${place.schema}.batches`;
    const before = (await client.query(count)).rows;
    for (const batches of [1, 2])
      await expect(store.append(new Chain(chain.batches).growBy(batches), EPOCH)).rejects.toThrow(error);
    expect((await client.query(count)).rows).toEqual(before);
  });

  it.each([
    { sql: "DELETE FROM $.batches WHERE last_position = 1", what: /begin at position 1|gap or an overlap/ },
    { sql: "DELETE FROM $.batches WHERE last_position = 2", what: /gap or an overlap/ },
    { sql: "UPDATE $.batches SET previous_hash = chain_hash WHERE last_position = 3", what: /does not continue/ },
    { sql: "UPDATE $.batches SET chain_hash = '' WHERE last_position = 3", what: /damaged/ },
  ])("is found at the next opening, and by a read: $sql", async ({ sql, what }) => {
    const place = await newPlace(server());
    const store = await place.openBank();
    await store.append(new Chain().growBy(3), EPOCH);
    const client = await plainClient(server());
    await client.query(sql.replaceAll("$", place.schema));
    await expect(store.read(0)).rejects.toThrow(CorruptStoreError);
    await store.close();
    const next = place.connect();
    await expect(next.open()).rejects.toThrow(CorruptStoreError);
    // Whoever failed to open it keeps nobody else waiting.
    await expect(next.open()).rejects.toThrow(what);
  });
});

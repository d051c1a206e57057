import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import {
  type AppendOptions,
  type JournalStore,
  migrate,
  PostgresJournalStore,
  RedisJournalStore,
  SqliteJournalStore,
  type StoredBatch,
} from "@bank/store";
import { describeWithPostgres, describeWithRedis } from "@bank/store/conformance";
import { StaleEpochError } from "@bank/store/errors";
import { deposit, openAccount, request } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { rowsByLedger } from "./random-life.test-util.ts";
import { copied, madeBank, newFolder, startBankOn, stateOf, verified } from "./store-tools.test-util.ts";

/** Makes stores over one new place. */
type Place = () => Promise<() => JournalStore>;

const sqlite: Place = async () => {
  const folder = await newFolder();
  return () => new SqliteJournalStore({ folder });
};

async function batchesOf(store: JournalStore): Promise<readonly StoredBatch[]> {
  await store.open();
  try {
    return await store.read(0);
  } finally {
    await store.close();
  }
}

/** A store over another that fails an append after so many. */
function failingAfter(store: JournalStore, appends: number): JournalStore {
  const append = store.append.bind(store);
  let left = appends;
  store.append = (batches: readonly StoredBatch[], options: AppendOptions) => {
    if (left-- === 0) throw new Error("the cable was pulled");
    return append(batches, options);
  };
  return store;
}

/** A bank is moved there and back again, and each time goes on as the same. */
function movesTo(newPlace: Place, rowsAre: (store: JournalStore, rows: ReadonlyMap<string, object>) => Promise<void>) {
  it("moves a bank there, which goes on with all that it was, and back again", async () => {
    const folder = await newFolder();
    const made = await madeBank(folder);
    const source = () => new SqliteJournalStore({ folder });
    const target = await newPlace();
    const there = await copied(source(), target());
    expect(there).toMatchObject({ from: 0, head: { position: made.position }, digest: made.digest });
    expect(there.verified).toMatchObject({ damages: [], digest: made.digest, head: there.head });
    // Its own root stands in the journal, so that new branches can begin from it.
    expect(there.verified.roots).toBeGreaterThan(0);
    expect(there.verified.snapshots).toEqual((await verified(source())).snapshots);
    expect(there.verified.snapshots).toHaveLength(2);
    expect(await batchesOf(target())).toEqual(await batchesOf(source()));

    const bank = await startBankOn(target(), 2);
    expect(stateOf(bank).accounts).toEqual(made.accounts);
    expect(bank.recovered).toMatchObject({ snapshotPosition: made.position, replayedRecords: 0 });
    expect(bank.ledger.currentEpoch()?.number).toBe(2);
    // What was answered before is answered the same.
    const [again] = await bank.submit([request(3, deposit(1, 500))]);
    expect(again).toMatchObject({ kind: "answered", replayed: true });
    await bank.submit([request(90_001, openAccount()), request(90_002, deposit(1, 7))]);
    await rowsAre(target(), rowsByLedger(bank.ledger));
    await bank.close();

    const back = await sqlite();
    const home = await copied(target(), back(), true);
    expect(home.supersededBy).toBeUndefined();
    expect(home.digest).toEqual(stateOf(bank).digest);
    const third = await startBankOn(back(), 3);
    expect(stateOf(third).accounts).toEqual(stateOf(bank).accounts);
  });

  it("goes on with a copy that was interrupted, and may be told again", async () => {
    const folder = await newFolder();
    const made = await madeBank(folder);
    const source = () => new SqliteJournalStore({ folder });
    const target = await newPlace();
    await expect(copied(source(), failingAfter(target(), 1))).rejects.toThrow("the cable was pulled");
    const part = await verified(target());
    expect(part.damages.filter(({ what }) => what !== "account rows")).toEqual([]);
    expect(part.records).toBeGreaterThan(0);
    expect(part.records).toBeLessThan(made.position);
    // The source is the bank as long as the copy is not whole.
    const whole = await copied(source(), target());
    expect(whole).toMatchObject({ from: part.records, digest: made.digest });
    expect(await copied(source(), target())).toMatchObject({ from: made.position, digest: made.digest });
  });
}

describe("a copy", () => {
  movesTo(sqlite, async () => undefined);

  it("supersedes its source, so that no bank starts from there unless that is said", async () => {
    const folder = await newFolder();
    await madeBank(folder, 10);
    const source = () => new SqliteJournalStore({ folder });
    expect((await copied(source(), (await sqlite())(), true)).supersededBy).toBeUndefined();
    await (await startBankOn(source(), 2)).close();
    expect((await copied(source(), (await sqlite())())).supersededBy).toBe(1_000_001);
    await expect(startBankOn(source(), 3)).rejects.toThrow(StaleEpochError);
    // It can still be looked at, and copied once more; nothing is copied into it.
    expect((await verified(source())).damages).toEqual([]);
    const other = await sqlite();
    await copied(source(), other());
    await expect(copied(other(), source())).rejects.toThrow("lives elsewhere");
  });

  it("is refused where the target is another bank, has gone on, or has another history", async () => {
    const [folder, other] = [await newFolder(), await newFolder()];
    await madeBank(folder, 10);
    await madeBank(other, 12);
    const source = () => new SqliteJournalStore({ folder });
    const change = (act: (database: DatabaseSync) => void) => {
      const database = new DatabaseSync(join(other, "journal.db"));
      act(database);
      database.close();
    };
    const target = () => new SqliteJournalStore({ folder: other });
    const before = await batchesOf(target());
    // Both were made with the same seed, and so of the same id: one has gone on.
    await expect(copied(source(), target())).rejects.toThrow("is no copy of this");
    expect(await batchesOf(target())).toEqual(before);
    const stranger = await newFolder();
    await (await startBankOn(new SqliteJournalStore({ folder: stranger }), 99)).close();
    await expect(copied(source(), new SqliteJournalStore({ folder: stranger }))).rejects.toThrow("another bank");
    change((database) => {
      const rows = database.prepare("SELECT first_position FROM journal ORDER BY first_position").all();
      database.prepare("DELETE FROM snapshots").run();
      database.prepare("DELETE FROM snapshot_pages").run();
      database.prepare("DELETE FROM journal WHERE first_position > ?").run(Number(rows[2]?.["first_position"]));
      database
        .prepare("UPDATE journal SET chain_hash = ? WHERE first_position = ?")
        .run(new Uint8Array(32), Number(rows[2]?.["first_position"]));
    });
    await expect(copied(source(), target())).rejects.toThrow("another history");
  });

  it("is not done where the target does not give back what it was given", async () => {
    const folder = await newFolder();
    await madeBank(folder, 20);
    const lying = (await sqlite())();
    const append = lying.append.bind(lying);
    lying.append = (batches, options) => {
      const frames = batches.map((batch) =>
        batch.firstPosition === 3 ? { ...batch, frame: new Uint8Array(9) } : batch,
      );
      return append(frames, options);
    };
    const source = () => new SqliteJournalStore({ folder });
    await expect(copied(source(), lying)).rejects.toThrow(
      /^the target does not hold what was copied: journal at position 3: /,
    );
    await startBankOn(source(), 2);
  });

  it("takes nothing from a source that is damaged, and leaves it the bank", async () => {
    const folder = await newFolder();
    await madeBank(folder, 20);
    const database = new DatabaseSync(join(folder, "journal.db"));
    const at = Number(
      database.prepare("SELECT first_position FROM journal ORDER BY 1 DESC LIMIT 1 OFFSET 4").get()?.["first_position"],
    );
    database.prepare("UPDATE journal SET frame = ? WHERE first_position = ?").run(new Uint8Array(50), at);
    database.close();
    const target = await sqlite();
    await expect(copied(new SqliteJournalStore({ folder }), target())).rejects.toThrow(
      `the source is damaged at position ${at}`,
    );
    expect((await verified(new SqliteJournalStore({ folder }))).damages).toMatchObject([
      { what: "journal", position: at },
    ]);
  });
});

describeWithRedis("a copy on Redis", (server) => {
  movesTo(
    async () => {
      const url = server.newUrl("?lease_ms=10000");
      return () => new RedisJournalStore({ url });
    },
    async (store, expected) => {
      const prefix = `{${(store as RedisJournalStore).place.prefix}}:account:`;
      const keys = await server.command("KEYS", `${prefix}*`);
      expect(Array.isArray(keys) && keys.length).toBe(expected.size);
      for (const [number, row] of expected) expect(await server.hash(`${prefix}${number}`)).toEqual(row);
    },
  );

  it("has hashes of accounts that are compared with the ledger", async () => {
    const url = server.newUrl();
    const bank = await startBankOn(new RedisJournalStore({ url }));
    await bank.submit([request(1, openAccount()), request(2, deposit(1, 500))]);
    await bank.close();
    const look = () => verified(new RedisJournalStore({ url }));
    expect(await look()).toMatchObject({ damages: [], accountRows: bank.ledger.accounts.count });
    const prefix = `{${new RedisJournalStore({ url }).place.prefix}}:account:`;
    await server.command("HSET", `${prefix}1`, "posted", "1000000");
    expect((await look()).damages).toMatchObject([
      { what: "account rows", problem: expect.stringContaining("posted") },
    ]);
  });
});

let schemas = 0;

describeWithPostgres("a copy on PostgreSQL", (server) => {
  movesTo(
    async () => {
      const url = server().url(`copy_${++schemas}`);
      await migrate(url);
      return () => new PostgresJournalStore({ url });
    },
    async () => undefined,
  );
});

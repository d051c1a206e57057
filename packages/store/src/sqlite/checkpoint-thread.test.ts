import { existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { BANK_ID, Chain } from "../conformance/chain.ts";
import { readAll } from "../conformance/fixture.ts";
import { StoreClosedError } from "../errors.ts";
import { Checkpointer } from "./checkpointer.ts";
import { temporaryFolder } from "./places.test-util.ts";
import { SqliteJournalStore } from "./sqlite-store.ts";

const EPOCH = { epoch: 1 };
const MIB = 1024 * 1024;

afterEach(() => {
  vi.restoreAllMocks();
});

async function openBank(folder = temporaryFolder()) {
  const store = new SqliteJournalStore({ folder });
  onTestFinished(() => store.close());
  await store.open();
  await store.initialize(BANK_ID);
  return { store, journal: join(folder, "journal.db"), log: join(folder, "journal.db-wal") };
}

const FRAME_BYTES = 200_000;

/** A database with a checkpointer that is twenty times as eager as others. */
function openDatabase() {
  const path = join(temporaryFolder(), "journal.db");
  const database = new DatabaseSync(path);
  onTestFinished(() => database.close());
  database.exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE frames (frame BLOB)");
  const limits = { written: 50, writtenOfSnapshot: 12, log: 200, unanswered: 600 };
  const checkpointer = new Checkpointer(database, "thread", limits);
  const insert = database.prepare("INSERT INTO frames VALUES (?)");
  const append = () => {
    insert.run(new Uint8Array(FRAME_BYTES));
    checkpointer.wrote(FRAME_BYTES);
  };
  return { path, append, checkpointer };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** Appends 4 MiB and more, so that the thread has something to do. */
async function appendMuch(store: SqliteJournalStore, chain: Chain): Promise<void> {
  await store.append([chain.grow({ frameBytes: 4.5 * MIB })], EPOCH);
}

describe("the thread that checkpoints", () => {
  it("copies the log while the journal goes on, and the log begins anew from time to time", async () => {
    const { path, append, checkpointer } = openDatabase();
    for (let frame = 1; frame <= 60; frame++) {
      append();
      await until(() => statSync(path).size > (frame - 4) * FRAME_BYTES);
    }
    // It begins anew behind 0.8 MB, and what came until the thread spoke for the first time.
    expect(statSync(`${path}-wal`).size).toBeLessThan(20 * FRAME_BYTES);
    await checkpointer.stop();
  });

  it("need not say anything for the log to be copied, where writes leave it no turn", async () => {
    const { path, append, checkpointer } = openDatabase();
    for (let frame = 1; frame <= 60; frame++) append();
    expect(statSync(`${path}-wal`).size).toBeLessThan(45 * FRAME_BYTES);
    await checkpointer.stop();
  });

  it("is gone with its connection when the store is closed, which leaves no log", async () => {
    const { store, journal, log } = await openBank();
    const chain = new Chain();
    await appendMuch(store, chain);
    await until(() => statSync(journal).size > 4 * MIB);
    await appendMuch(store, chain);
    await store.close();
    // Only the last connection that closes takes the log away.
    expect(existsSync(log)).toBe(false);
    expect(await store.open()).toMatchObject({ closedCleanly: true, head: { position: 2 } });
    expect(await readAll(store)).toEqual(chain.batches);
  });

  it("is gone when the store recovers, and begins anew behind it", async () => {
    const { store, log } = await openBank();
    const chain = new Chain();
    await appendMuch(store, chain);
    const recovering = store.recover();
    // Another one meanwhile is one more recovery, and the first is as good as ever.
    expect((await store.recover()).head?.position).toBe(1);
    expect((await recovering).head?.position).toBe(1);
    await appendMuch(store, chain);
    await store.close();
    expect(existsSync(log)).toBe(false);
  });

  it("is waited for by a close while the store recovers, which then finds it closed", async () => {
    const { store, log } = await openBank();
    await appendMuch(store, new Chain());
    const recovering = store.recover();
    await store.close();
    await expect(recovering).rejects.toThrow(StoreClosedError);
    expect(existsSync(log)).toBe(false);
    expect((await store.open()).head?.position).toBe(1);
  });
});

describe("a checkpointer whose thread cannot be had", () => {
  it("says so once, and checkpoints by itself", async () => {
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    const folder = temporaryFolder();
    const path = join(folder, "journal.db");
    const database = new DatabaseSync(path);
    onTestFinished(() => database.close());
    database.exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (x)");
    const bad = join(folder, "bad.db");
    writeFileSync(bad, "this is no database, but long enough ".repeat(99));
    vi.spyOn(database, "location").mockReturnValue(bad);
    const checkpointer = new Checkpointer(database, "thread");
    const copied = () => statSync(path).size;
    checkpointer.wrote(5 * MIB);
    await until(() => warn.mock.calls.length > 0);
    expect(warn).toHaveBeenCalledWith(expect.stringMatching(/nothing is lost/), { code: "BANK_STORE_CHECKPOINT" });
    const before = copied();
    database.exec(`INSERT INTO t VALUES (zeroblob(${MIB}))`);
    checkpointer.wrote(5 * MIB);
    expect(copied()).toBeGreaterThan(before);
    expect(warn).toHaveBeenCalledOnce();
    await checkpointer.stop();
  });
});

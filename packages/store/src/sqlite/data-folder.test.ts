import { chmodSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { BANK_ID, Chain } from "../conformance/chain.ts";
import { readAll } from "../conformance/fixture.ts";
import { StoreClosedError, StoreError } from "../errors.ts";
import { sourceOf } from "../snapshot-source.ts";
import { connect } from "./connection.ts";
import { prepareDataFolder } from "./data-folder.ts";
import { Connections, temporaryFolder } from "./places.test-util.ts";
import { SqliteJournalStore } from "./sqlite-store.ts";

it("makes the folder, and those above it, for its own user alone", async () => {
  const folder = join(temporaryFolder(), "a", "b", "bank");
  const store = new SqliteJournalStore({ folder });
  onTestFinished(() => store.close());
  await store.open();
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(statSync(join(folder, "..")).mode & 0o777).toBe(0o700);
});

it("leaves the rights of a folder that was there", async () => {
  const folder = temporaryFolder();
  chmodSync(folder, 0o750);
  const store = new SqliteJournalStore({ folder });
  onTestFinished(() => store.close());
  await store.open();
  expect(statSync(folder).mode & 0o777).toBe(0o750);
});

it.each([
  { what: "a file", path: ["file"], message: /file is a file/ },
  { what: "below a file", path: ["file", "bank"], message: /file is a file/ },
])("says clearly that the path is $what", async ({ path, message }) => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "file"), "");
  const store = new SqliteJournalStore({ folder: join(folder, ...path) });
  await expect(store.open()).rejects.toThrow(StoreError);
  await expect(store.open()).rejects.toThrow(message);
});

it.each(["journal.db", "lock.db"])("says clearly that %s is a folder, and lets go of everything", async (name) => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, name));
  const store = new SqliteJournalStore({ folder });
  await expect(store.open()).rejects.toThrow(StoreError);
  await expect(store.open()).rejects.toThrow(name);
  await expect(store.read(0)).rejects.toThrow(StoreClosedError);
  rmSync(join(folder, name), { recursive: true });
  await store.open();
  await store.close();
});

it("says clearly, and at once, that a folder cannot be made", () => {
  // Root may write any folder but those that the kernel makes up. There `mkdir` with `recursive` would never return.
  const unwritable = process.platform === "linux" ? "/proc" : temporaryFolder();
  if (unwritable !== "/proc") chmodSync(unwritable, 0o500);
  for (const folder of [join(unwritable, "bank"), join(unwritable, "none", "bank")]) {
    expect(() => prepareDataFolder(folder)).toThrow(StoreError);
    expect(() => prepareDataFolder(folder)).toThrow(/cannot be (used|written)/);
  }
});

it("keeps the relative path that it was given, wherever the process goes later", () => {
  const store = new SqliteJournalStore({ folder: "somewhere" });
  expect(store.folder).toBe(join(process.cwd(), "somewhere"));
});

it.each([
  { name: "synchronous", sql: "PRAGMA synchronous = NORMAL" },
  { name: "locking_mode", sql: "PRAGMA locking_mode = EXCLUSIVE" },
])("refuses a connection on which $name did not take", async ({ name, sql }) => {
  const folder = temporaryFolder();
  const stubborn = new SqliteJournalStore({
    folder,
    connect: (path) => {
      const database = connect(path);
      if (!path.endsWith("journal.db")) return database;
      const exec = database.exec.bind(database);
      database.exec = (statement) => exec(statement.includes(name) ? sql : statement);
      return database;
    },
  });
  await expect(stubborn.open()).rejects.toThrow(StoreError);
  await expect(stubborn.open()).rejects.toThrow(new RegExp(name));
});

it("refuses to write on a connection whose synchronous was lowered behind its back", async () => {
  const folder = temporaryFolder();
  const connections = new Connections();
  const store = new SqliteJournalStore({ folder, connect: connections.connect });
  onTestFinished(() => store.close());
  await store.open();
  connections.to("journal.db").exec("PRAGMA synchronous = OFF");
  await expect(store.initialize(BANK_ID)).rejects.toThrow(/synchronous/);
});

it("has the settings that it claims, also after recover", async () => {
  const folder = temporaryFolder();
  const connections = new Connections();
  const store = new SqliteJournalStore({ folder, connect: connections.connect });
  onTestFinished(() => store.close());
  await store.open();
  for (let round = 0; round < 2; round++) {
    const database = connections.to("journal.db");
    expect(database.prepare("PRAGMA synchronous").get()).toEqual({ synchronous: 2 });
    expect(database.prepare("PRAGMA journal_mode").get()).toEqual({ journal_mode: "wal" });
    expect(database.prepare("PRAGMA locking_mode").get()).toEqual({ locking_mode: "normal" });
    expect(database.prepare("PRAGMA fullfsync").get()).toEqual({ fullfsync: 1 });
    expect(database.prepare("PRAGMA wal_autocheckpoint").get()).toEqual({ wal_autocheckpoint: 0 });
    const lock = connections.to("lock.db");
    expect(lock.isTransaction).toBe(true);
    expect(lock.prepare("PRAGMA locking_mode").get()).toEqual({ locking_mode: "exclusive" });
    await store.recover();
  }
});

it("keeps no pages of snapshots that are forgotten", async () => {
  const connections = new Connections();
  const store = new SqliteJournalStore({ folder: temporaryFolder(), connect: connections.connect });
  onTestFinished(() => store.close());
  await store.open();
  await store.initialize(BANK_ID);
  const chain = new Chain();
  for (const position of [1, 2, 3, 4, 5]) {
    await store.append([chain.grow()], { epoch: 1 });
    await store.saveSnapshot(
      sourceOf({ position, header: Uint8Array.of(1), pages: [Uint8Array.of(1), Uint8Array.of(2)] }),
    );
  }
  const pages = connections.to("journal.db").prepare("SELECT position, page_number FROM snapshot_pages ORDER BY 1, 2");
  expect(pages.all().map((row) => Object.values(row))).toEqual([
    [4, 0],
    [4, 1],
    [5, 0],
    [5, 1],
  ]);
});

it("without a thread keeps the log short while it appends, and leaves none after a close", async () => {
  const folder = temporaryFolder();
  const store = new SqliteJournalStore({ folder, connect: (path) => connect(path) });
  await store.open();
  await store.initialize(BANK_ID);
  const chain = new Chain();
  for (let i = 0; i < 60; i++) await store.append([chain.grow({ frameBytes: 300_000 })], { epoch: 1 });
  // `stat` opens nothing, so it drops no lock. 18 MB went through the log.
  expect(statSync(join(folder, "journal.db-wal")).size).toBeLessThan(6_000_000);
  const pages = Array.from({ length: 8 }, () => new Uint8Array(250_000));
  for (let i = 0; i < 6; i++) await store.saveSnapshot(sourceOf({ position: 60, header: Uint8Array.of(1), pages }));
  expect(statSync(join(folder, "journal.db-wal")).size).toBeLessThan(8_000_000);
  expect(await readAll(store)).toHaveLength(60);
  await store.close();
  expect(statSync(join(folder, "journal.db-wal"), { throwIfNoEntry: false })).toBeUndefined();
});

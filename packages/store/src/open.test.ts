import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { StoreError } from "./errors.ts";
import { MemoryJournalStore } from "./memory/memory-store.ts";
import { openStore } from "./open.ts";
import { PostgresJournalStore } from "./postgres/postgres-store.ts";
import { SqliteJournalStore } from "./sqlite/sqlite-store.ts";

it.each([
  ["sqlite:data", "data"],
  ["sqlite:./data/bank", "data/bank"],
  ["sqlite:/srv/bank", "/srv/bank"],
  ["sqlite:///srv/bank", "/srv/bank"],
  ["SQLITE:data with spaces%20", "data with spaces%20"],
  ["sqlite:a:b", "a:b"],
])("names a folder by %s", (url, folder) => {
  const store = openStore(url);
  expect(store).toBeInstanceOf(SqliteJournalStore);
  expect((store as SqliteJournalStore).folder).toBe(resolve(folder));
});

it("gives each memory store memory of its own", async () => {
  const [one, two] = [openStore("memory:"), openStore("memory:")];
  expect(one).toBeInstanceOf(MemoryJournalStore);
  await one.open();
  await two.open();
});

it("gives stores that are not open yet", async () => {
  const folder = mkdtempSync(join(tmpdir(), "bank-store-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [one, two] = [openStore(`sqlite:${folder}`), openStore(`sqlite:${folder}`)];
  await one.open();
  await expect(two.open()).rejects.toThrow(StoreError);
  await one.close();
  await two.open();
  await two.close();
});

it.each(["postgres://bank@localhost/bank", "postgresql://bank:secret@db:5433/money?schema=two&allow_data_loss=true"])(
  "names a database by %s, which is not loaded before it is opened",
  (url) => {
    const store = openStore(url);
    expect(store).toBeInstanceOf(PostgresJournalStore);
    expect(store.lease).toBeUndefined();
  },
);

it.each([
  "postgres://bank:secret@local host/bank",
  "postgres://bank:secret@localhost/bank?schema=Robert'); DROP",
  "postgres://bank:secret@localhost/bank?allow_data_loss=perhaps",
  "mysql://bank:sec/ret@localhost/bank",
  "mysql://localhost/bank?password=secret",
])("repeats no password of %s", (url) => {
  expect(() => openStore(url)).toThrow(StoreError);
  expect(() => openStore(url)).not.toThrow(/sec/);
});

it.each(["mysql://localhost/bank", "file:data", "data", "./data", "", ":data"])(
  "says for %s which stores there are",
  (url) => {
    expect(() => openStore(url)).toThrow(StoreError);
    expect(() => openStore(url)).toThrow(/"sqlite:PATH".*"memory:"/);
  },
);

it.each([
  ["sqlite:", /lacks the path/],
  ["sqlite://data", /"sqlite:data" or "sqlite:\/data"/],
  ["memory:here", /nothing may follow/],
])("explains what is wrong with %s", (url, message) => {
  expect(() => openStore(url)).toThrow(StoreError);
  expect(() => openStore(url)).toThrow(message);
});

import { statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it, onTestFinished } from "vitest";
import { BANK_ID, Chain } from "../conformance/chain.ts";
import { readAll } from "../conformance/fixture.ts";
import { AppendRefusedError, AppendUnknownError } from "../errors.ts";
import { sourceOf } from "../snapshot-source.ts";
import { Faults, FaultyDatabase, FULL, IOERR_FSYNC } from "./faulty-database.test-util.ts";
import { Connections, temporaryFolder } from "./places.test-util.ts";
import { SqliteJournalStore } from "./sqlite-store.ts";

const EPOCH = { epoch: 1 };
const PAGE = /^INSERT INTO snapshot_pages/;
const HEADER = /^INSERT INTO snapshots/;
const DROP = /^DELETE FROM snapshot_pages/;

/** Eight are written together. */
const PAGE_BYTES = 65_536;

interface Place {
  readonly folder: string;
  readonly store: SqliteJournalStore;
  readonly faults: Faults;
  readonly chain: Chain;
}

/** Three batches, and a snapshot at the first. */
async function openPlace(): Promise<Place> {
  const folder = temporaryFolder();
  const faults = new Faults();
  const store = new SqliteJournalStore({ folder, connect: (path) => new FaultyDatabase(path, faults) });
  onTestFinished(() => store.close());
  await store.open();
  await store.initialize(BANK_ID);
  const chain = new Chain();
  await store.append(chain.growBy(3), EPOCH);
  await store.saveSnapshot(sourceOf({ position: 1, header: Uint8Array.of(1), pages: [Uint8Array.of(9)] }));
  return { folder, store, faults, chain };
}

/** Of so many pages, with something to do before each. */
function source(position: number, pageCount: number, act: (page: number) => Promise<void> | void) {
  const pages = async function* () {
    for (let page = 0; page < pageCount; page++) {
      await act(page);
      yield new Uint8Array(PAGE_BYTES).fill(page);
    }
  };
  return { position, pages: pages(), header: () => Uint8Array.of(1) };
}

/** How many pages there are of each position. The store must be closed, or its lock be nobody's concern. */
function pagesIn(folder: string): Record<number, number> {
  const database = new DatabaseSync(join(folder, "journal.db"), { readOnly: true });
  try {
    const rows = database.prepare("SELECT position, count(*) AS pages FROM snapshot_pages GROUP BY position").all();
    return Object.fromEntries(rows.map((row) => [row["position"], row["pages"]]));
  } finally {
    database.close();
  }
}

it.each([
  { what: "a page", sql: PAGE },
  { what: "its header", sql: HEADER },
  { what: "its COMMIT", sql: /^COMMIT$/ },
])("leaves nothing of a snapshot whose saving is refused at $what, and the journal goes on", async ({ sql }) => {
  const { folder, store, faults, chain } = await openPlace();
  const saved = store.saveSnapshot(source(2, 20, (page) => (page === 15 ? faults.order(sql, FULL) : undefined)));
  await expect(saved).rejects.toThrow(AppendRefusedError);
  expect(faults.spent).toBe(true);
  expect(pagesIn(folder)).toEqual({ 1: 1 });
  await store.append([chain.grow()], EPOCH);
  expect(await store.snapshotPositions()).toEqual([1]);
  await store.saveSnapshot(source(2, 3, () => undefined));
  expect((await store.loadSnapshot(2))?.pages).toHaveLength(3);
});

it.each([
  { what: "pages of it", sql: /^COMMIT$/, order: "page", left: 16 },
  { what: "an append between its pages", sql: /^INSERT INTO journal/, order: "append", left: 8 },
])("ends in doubt with $what, and the next one clears what is left", async ({ sql, order, left }) => {
  const { folder, store, faults, chain } = await openPlace();
  const saved = store.saveSnapshot(
    source(2, 20, async (page) => {
      if (page !== 15) return;
      faults.order(sql, IOERR_FSYNC, "after");
      if (order === "append") await expect(store.append([chain.grow()], EPOCH)).rejects.toThrow(AppendUnknownError);
    }),
  );
  await expect(saved).rejects.toThrow(AppendUnknownError);
  expect(faults.spent).toBe(true);
  await expect(store.append([chain.next()], EPOCH)).rejects.toThrow(AppendUnknownError);
  expect((await store.recover()).head?.position).toBe(chain.end);
  expect(pagesIn(folder)).toEqual({ 1: 1, 2: left });
  expect(await store.snapshotPositions()).toEqual([1]);
  expect(await store.loadSnapshot(2)).toBeUndefined();
  await store.saveSnapshot(source(3, 2, () => expect(pagesIn(folder)[2]).toBeUndefined()));
  expect(pagesIn(folder)).toEqual({ 1: 1, 3: 2 });
});

it("clears what the end of the process left of one, also of the same position", async () => {
  const folder = temporaryFolder();
  for (const position of [2, 2, 1]) {
    const connections = new Connections();
    const store = new SqliteJournalStore({ folder, connect: connections.connect });
    await store.open();
    await store.initialize(BANK_ID);
    await store.append(new Chain().growBy(2), EPOCH);
    const saved = store.saveSnapshot(source(position, 20, (page) => (page === 17 ? connections.cut() : undefined)));
    await expect(saved).rejects.toThrow();
    expect(pagesIn(folder)).toEqual({ [position]: 16 });
  }
  const store = new SqliteJournalStore({ folder });
  onTestFinished(() => store.close());
  await store.open();
  expect(await store.snapshotPositions()).toEqual([]);
  await store.saveSnapshot(source(2, 4, () => undefined));
  expect(pagesIn(folder)).toEqual({ 2: 4 });
});

it("stands though the pages that it displaces cannot be dropped, which the next one does", async () => {
  const { folder, store, faults } = await openPlace();
  await store.saveSnapshot(source(2, 2, () => undefined));
  await store.saveSnapshot(source(3, 2, (page) => (page === 1 ? faults.order(DROP, FULL) : undefined)));
  expect(faults.spent).toBe(true);
  expect(await store.snapshotPositions()).toEqual([3, 2]);
  expect(pagesIn(folder)).toEqual({ 1: 1, 2: 2, 3: 2 });
  await store.saveSnapshot(source(3, 1, () => undefined));
  expect(pagesIn(folder)).toEqual({ 2: 2, 3: 1 });
});

it("is written without letting the log grow, and dropped in steps between which the journal goes on", async () => {
  const { folder, store, chain } = await openPlace();
  const log = join(folder, "journal.db-wal");
  const pages = function* (count: number) {
    for (let page = 0; page < count; page++) {
      expect(statSync(log).size).toBeLessThan(3_000_000);
      yield new Uint8Array(150_000).fill(page);
    }
  };
  const save = (position: number, count = 100) =>
    store.saveSnapshot({ position, pages: pages(count), header: () => Uint8Array.of(1) });
  await save(1, 500);
  await save(2);
  let saved = false;
  const saving = save(3).then(() => {
    saved = true;
  });
  let appends = 0;
  while (!saved) {
    await store.append([chain.grow()], EPOCH);
    appends++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  await saving;
  // Pages that are there as a whole are written without a turn; 500 that were displaced are dropped for some milliseconds in each.
  expect(appends).toBeGreaterThan(2);
  expect(pagesIn(folder)).toEqual({ 2: 100, 3: 100 });
  expect(await readAll(store)).toEqual(chain.batches);
});

import { createHash } from "node:crypto";
import { readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it, onTestFinished } from "vitest";
import { BANK_ID, Chain, GENESIS_HASH, hash } from "../conformance/chain.ts";
import { readAll } from "../conformance/fixture.ts";
import { seeds, withSeed } from "../conformance/seeded.ts";
import { CorruptStoreError, StoreError, StoreVersionError } from "../errors.ts";
import type { StoreState } from "../port.ts";
import { sourceOf } from "../snapshot-source.ts";
import { LAYOUT_VERSION } from "./layout.ts";
import { temporaryFolder } from "./places.test-util.ts";
import { SqliteJournalStore } from "./sqlite-store.ts";

// These tests write into SQLite's files by `fs` or by connections of their own. They may: no store is open meanwhile.

interface Closed {
  readonly folder: string;
  readonly path: string;
  readonly chain: Chain;
}

/** A folder with 40 batches of 2 records and a snapshot, closed cleanly. */
async function closedFolder(): Promise<Closed> {
  const folder = temporaryFolder();
  const store = new SqliteJournalStore({ folder });
  const chain = new Chain();
  await store.open();
  await store.initialize(BANK_ID);
  await store.fence(3);
  await store.append(chain.growBy(40, { records: 2, frameBytes: 1_500 }), { epoch: 3 });
  await store.saveSnapshot(
    sourceOf({ position: 80, header: Uint8Array.of(1), pages: [Uint8Array.of(2), Uint8Array.of(3)] }),
  );
  await store.close();
  return { folder, path: join(folder, "journal.db"), chain };
}

async function open(folder: string): Promise<{ store: SqliteJournalStore; state: StoreState }> {
  const store = new SqliteJournalStore({ folder });
  onTestFinished(() => store.close());
  return { store, state: await store.open() };
}

function alter(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

describe("a journal's file", () => {
  it("of a newer layout is refused and left as it is", async () => {
    const { folder, path } = await closedFolder();
    alter(
      path,
      `UPDATE meta SET layout_version = ${LAYOUT_VERSION + 1}; DROP TABLE journal; PRAGMA journal_mode = DELETE`,
    );
    const before = readFileSync(path);
    await expect(open(folder)).rejects.toThrow(StoreVersionError);
    await expect(open(folder)).rejects.toThrow(/newer program/);
    expect(Buffer.compare(readFileSync(path), before)).toBe(0);
  });

  it.each([0, -1])("of the impossible layout %d is corrupt", async (version) => {
    const { folder, path } = await closedFolder();
    alter(path, `UPDATE meta SET layout_version = ${version}`);
    await expect(open(folder)).rejects.toThrow(CorruptStoreError);
  });

  it("that is some other SQLite file is refused and left as it is", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "journal.db");
    alter(path, "CREATE TABLE recipes (name TEXT)");
    const before = readFileSync(path);
    await expect(open(folder)).rejects.toThrow(/not the journal of a bank/);
    expect(Buffer.compare(readFileSync(path), before)).toBe(0);
  });

  it.each([
    { what: "cut in half", damage: (path: string) => truncateSync(path, 40_960) },
    { what: "cut to its first page", damage: (path: string) => truncateSync(path, 4_096) },
    { what: "cut to nothing", damage: (path: string) => truncateSync(path, 0) },
    { what: "deleted", damage: (path: string) => rmSync(path) },
    {
      what: "overwritten",
      damage: (path: string) => writeFileSync(path, "this is no database, but long enough".repeat(9)),
    },
  ])("that was $what is corrupt, not a new bank", async ({ damage }) => {
    const { folder, path } = await closedFolder();
    damage(path);
    await expect(open(folder)).rejects.toThrow(CorruptStoreError);
    await expect(open(folder)).rejects.toThrow(CorruptStoreError);
  });
});

describe("rows that contradict each other", () => {
  it.each([
    {
      what: "a last batch that does not continue the one before",
      sql: "UPDATE journal SET previous_hash = zeroblob(32) WHERE first_position = 79",
    },
    { what: "a last batch behind a gap", sql: "DELETE FROM journal WHERE first_position = 77" },
    { what: "no first batch", sql: "DELETE FROM journal WHERE first_position = 1" },
    { what: "a lost end below a snapshot", sql: "DELETE FROM journal WHERE first_position = 79" },
    { what: "no batches below a snapshot", sql: "DELETE FROM journal" },
    {
      what: "a position beyond all numbers",
      sql: "UPDATE journal SET last_position = 9223372036854775807 WHERE first_position = 79",
    },
    { what: "an end before the begin", sql: "UPDATE journal SET last_position = 7 WHERE first_position = 79" },
    { what: "a hash that is too short", sql: "UPDATE journal SET chain_hash = x'00' WHERE first_position = 79" },
    { what: "an altered epoch", sql: "UPDATE meta SET epoch = 2" },
    { what: "an altered bank id", sql: "UPDATE meta SET bank_id = randomblob(16)" },
    { what: "no bank id", sql: "UPDATE meta SET bank_id = NULL" },
    { what: "no facts about itself", sql: "DELETE FROM meta" },
  ])("at the ends are found when opening: $what", async ({ sql }) => {
    const { folder, path } = await closedFolder();
    alter(path, sql);
    await expect(open(folder)).rejects.toThrow(CorruptStoreError);
  });

  it.each([
    { what: "a gap", sql: "DELETE FROM journal WHERE first_position = 41" },
    {
      what: "a batch that does not continue the one before",
      sql: "UPDATE journal SET previous_hash = zeroblob(32) WHERE first_position = 41",
    },
    { what: "an overlap", sql: "UPDATE journal SET last_position = 43 WHERE first_position = 41" },
    {
      what: "a position beyond all numbers",
      sql: "UPDATE journal SET last_position = 9007199254740993 WHERE first_position = 41",
    },
  ])("in the middle are found when reading: $what", async ({ sql }) => {
    const { folder, path, chain } = await closedFolder();
    alter(path, sql);
    const { store } = await open(folder);
    await expect(store.read(0)).rejects.toThrow(CorruptStoreError);
    expect(await store.read(0, { maxBatches: 19 })).toEqual(chain.batches.slice(0, 19));
  });

  it("are found by a read that begins in the gap, and by a look at it", async () => {
    const { folder, path } = await closedFolder();
    alter(path, "DELETE FROM journal WHERE first_position = 41");
    const { store } = await open(folder);
    for (const after of [40, 41]) {
      await expect(store.read(after, { maxBatches: 1 })).rejects.toThrow(CorruptStoreError);
    }
    for (const position of [41, 42]) await expect(store.batchAt(position)).rejects.toThrow(CorruptStoreError);
    expect(await store.read(42)).toHaveLength(19);
  });

  it("are found where another program took the end away while the store was open", async () => {
    const { folder, path } = await closedFolder();
    const { store } = await open(folder);
    alter(path, "DELETE FROM journal WHERE first_position = 79");
    await expect(store.read(0)).rejects.toThrow(CorruptStoreError);
    await expect(store.batchAt(80)).rejects.toThrow(CorruptStoreError);
  });

  it.each([
    { what: "lost a page", sql: "DELETE FROM snapshot_pages WHERE page_number = 0" },
    { what: "has a page out of order", sql: "UPDATE snapshot_pages SET page_number = 7 WHERE page_number = 1" },
  ])("are found in a snapshot that $what", async ({ sql }) => {
    const { folder, path } = await closedFolder();
    alter(path, sql);
    const { store } = await open(folder);
    await expect(store.loadSnapshot(80)).rejects.toThrow(CorruptStoreError);
  });
});

describe("a flipped byte anywhere in the file", () => {
  it.each(seeds())("is an error, or shows in a hash, or changes nothing (seed %d)", async (seed) => {
    await withSeed(seed, async (random) => {
      const { folder, path, chain } = await closedFolder();
      const whole = readFileSync(path);
      const seen = { error: 0, hash: 0, nothing: 0 };
      for (let flip = 0; flip < 60; flip++) {
        const damaged = Buffer.from(whole);
        const offset = random.integer(0, whole.length - 1);
        damaged[offset] = (damaged[offset] ?? 0) ^ (1 << random.integer(0, 7));
        writeFileSync(path, damaged);
        const outcome = await lookAt(folder, chain);
        if (outcome === "other history") throw new Error(`byte ${offset} changed what is served, and nothing shows it`);
        seen[outcome]++;
      }
      // The file is mostly frames, so most flips are for those who recompute the chain; but not all are harmless.
      expect(seen.hash).toBeGreaterThan(10);
      expect(seen.error + seen.hash + seen.nothing).toBe(60);
    });
  });
});

/** Opens, reads everything and says what somebody who recomputes the chain would notice. */
async function lookAt(folder: string, chain: Chain): Promise<"error" | "hash" | "nothing" | "other history"> {
  const store = new SqliteJournalStore({ folder });
  try {
    const { bankId, epoch } = await store.open();
    const batches = await readAll(store);
    let before = GENESIS_HASH;
    for (const { previousHash, frame, chainHash } of batches) {
      if (!same(previousHash, before) || !same(chainHash, hash(previousHash, frame))) return "hash";
      before = chainHash;
    }
    const unchanged =
      batches.length === chain.batches.length &&
      batches.every(({ frame }, i) => same(frame, chain.batches[i]?.frame ?? GENESIS_HASH)) &&
      bankId !== undefined &&
      same(bankId, BANK_ID) &&
      epoch === 3;
    return unchanged ? "nothing" : "other history";
  } catch (error) {
    if (error instanceof StoreError) return "error";
    throw error;
  } finally {
    await store.close();
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

it("writes a shared page anew that was damaged, for whoever does not know it whole", async () => {
  const { folder, path } = await closedFolder();
  const good = Uint8Array.of(1, 2, 3);
  const hash = createHash("sha256").update(good).digest();
  const source = (position: number, isProven: boolean) => ({
    position,
    pages: [{ hash, isProven, bytes: () => good }],
    header: () => Uint8Array.of(position),
  });
  const first = await open(folder);
  await first.store.saveSnapshot(source(76, false));
  await first.store.close();
  alter(path, "UPDATE shared_pages SET page = x'0904'");
  const { store } = await open(folder);
  expect((await store.loadSnapshot(76))?.pages).toEqual([Uint8Array.of(9, 4)]);
  await store.saveSnapshot(source(78, true));
  expect((await store.loadSnapshot(78))?.pages).toEqual([Uint8Array.of(9, 4)]);
  await store.saveSnapshot(source(80, false));
  for (const position of [78, 80]) expect((await store.loadSnapshot(position))?.pages).toEqual([good]);
});

it.each([
  { what: "a shared page that is gone", sql: "DELETE FROM shared_pages" },
  { what: "a list of shared pages that is cut", sql: "UPDATE shared_lists SET pages = substr(pages, 2)" },
  { what: "a list of shared pages that is gone", sql: "DELETE FROM shared_lists" },
])("notices $what, and takes the next snapshot all the same", async ({ sql }) => {
  const { folder, path } = await closedFolder();
  const page = Uint8Array.of(4);
  const hash = createHash("sha256").update(page).digest();
  const source = (position: number) => ({
    position,
    pages: [{ hash, isProven: false, bytes: () => page }, Uint8Array.of(5)],
    header: () => Uint8Array.of(1),
  });
  const first = await open(folder);
  await first.store.saveSnapshot(source(78));
  await first.store.close();
  alter(path, sql);
  const { store } = await open(folder);
  await expect(store.loadSnapshot(78)).rejects.toThrow(CorruptStoreError);
  await store.saveSnapshot(source(80));
  expect((await store.loadSnapshot(80))?.pages).toEqual([page, Uint8Array.of(5)]);
});

import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { BANK_ID, Chain } from "../conformance/chain.ts";
import { readAll } from "../conformance/fixture.ts";
import { AppendRefusedError, AppendUnknownError, StoreError, StoreLockedError } from "../errors.ts";
import { sourceOf } from "../snapshot-source.ts";
import { disconnect } from "./connection.ts";
import type { Faults } from "./faulty-database.test-util.ts";
import { BUSY, FULL, faultyStore, IOERR_FSYNC, IOERR_WRITE, NOMEM } from "./faulty-database.test-util.ts";
import { Connections, temporaryFolder } from "./places.test-util.ts";
import { StoreProcess } from "./processes.test-util.ts";
import { SqliteJournalStore } from "./sqlite-store.ts";

const EPOCH = { epoch: 1 };
const INSERT = /^INSERT INTO journal/;
const COMMIT = /^COMMIT$/;
const ROLLBACK = /^ROLLBACK$/;
const META = /^INSERT OR REPLACE INTO meta/;
const SETTLE = /wal_checkpoint\(TRUNCATE\)/;
const SNAPSHOT = { position: 2, header: Uint8Array.of(1), pages: [Uint8Array.of(2)] };

interface Faulty {
  readonly folder: string;
  readonly store: SqliteJournalStore;
  readonly faults: Faults;
  /** Two batches, stored. */
  readonly chain: Chain;
}

async function openFaulty(): Promise<Faulty> {
  const folder = temporaryFolder();
  const { store, faults } = faultyStore(folder);
  onTestFinished(() => store.close());
  await store.open();
  await store.initialize(BANK_ID);
  const chain = new Chain();
  await store.append(chain.growBy(2), EPOCH);
  return { folder, store, faults, chain };
}

describe("an append that certainly stored nothing", () => {
  it.each([
    { name: "a full disk at one batch", sql: INSERT, code: FULL, count: 1 },
    { name: "a busy file at one batch", sql: INSERT, code: BUSY, count: 1 },
    { name: "a full disk inside an array", sql: INSERT, code: FULL, count: 3 },
    { name: "an I/O error inside an array, before COMMIT", sql: INSERT, code: IOERR_WRITE, count: 3 },
    { name: "a full disk in COMMIT", sql: COMMIT, code: FULL, count: 3 },
    { name: "a file that is busy at BEGIN", sql: /^BEGIN/, code: BUSY, count: 3 },
  ])("is refused, and the same works next time: $name", async ({ sql, code, count }) => {
    const { store, faults, chain } = await openFaulty();
    const stored = [...chain.batches];
    const fresh = chain.growBy(count);
    faults.order(sql, code);
    await expect(store.append(fresh, EPOCH)).rejects.toThrow(AppendRefusedError);
    expect(faults.spent).toBe(true);
    expect(await readAll(store)).toEqual(stored);
    await store.append(fresh, EPOCH);
    expect((await store.recover()).head?.position).toBe(chain.end);
    expect(await readAll(store)).toEqual(chain.batches);
  });

  it("stores none of an array whose last insert fails", async () => {
    const { store, faults, chain } = await openFaulty();
    const stored = [...chain.batches];
    chain.growBy(2);
    faults.order(INSERT, FULL, "after");
    await expect(store.append(chain.batches, EPOCH)).rejects.toThrow(AppendRefusedError);
    expect((await store.recover()).head?.position).toBe(2);
    expect(await readAll(store)).toEqual(stored);
  });

  it("is refused while a fence, a snapshot or the bank's id meets a full disk, and they work later", async () => {
    const folder = temporaryFolder();
    const { store, faults } = faultyStore(folder);
    onTestFinished(() => store.close());
    await store.open();
    faults.order(META, FULL);
    await expect(store.initialize(BANK_ID)).rejects.toThrow(AppendRefusedError);
    await store.initialize(BANK_ID);
    faults.order(META, FULL);
    await expect(store.fence(1)).rejects.toThrow(AppendRefusedError);
    await store.fence(1);
    await store.append(new Chain().growBy(2), EPOCH);
    faults.order(/INSERT INTO snapshot_pages/, FULL);
    await expect(store.saveSnapshot(sourceOf(SNAPSHOT))).rejects.toThrow(AppendRefusedError);
    expect(await store.snapshotPositions()).toEqual([]);
    await store.saveSnapshot(sourceOf(SNAPSHOT));
    expect(await store.loadSnapshot(2)).toEqual(SNAPSHOT);
    expect(faults.spent).toBe(true);
  });
});

describe("an append of which nobody knows", () => {
  const doubts = [
    { name: "an error in fsync, one batch", sql: INSERT, code: IOERR_FSYNC, count: 1 },
    { name: "an error in a write, one batch", sql: INSERT, code: IOERR_WRITE, count: 1 },
    { name: "no memory left, one batch", sql: INSERT, code: NOMEM, count: 1 },
    { name: "an error in fsync, an array", sql: COMMIT, code: IOERR_FSYNC, count: 3 },
  ].flatMap((doubt) => [
    { ...doubt, when: "before" as const, found: "nothing" },
    { ...doubt, when: "after" as const, found: "everything" },
  ]);

  it.each(doubts)("is settled by recover and the same append, with $found stored: $name", async (doubt) => {
    const { folder, store, faults, chain } = await openFaulty();
    const fresh = chain.growBy(doubt.count);
    faults.order(doubt.sql, doubt.code, doubt.when);
    await expect(store.append(fresh, EPOCH)).rejects.toThrow(AppendUnknownError);
    expect(faults.spent).toBe(true);

    // No write of any kind until recover; reads go on; the lock stays.
    await expect(store.append(fresh, EPOCH)).rejects.toThrow(AppendUnknownError);
    await expect(store.append([], EPOCH)).rejects.toThrow(AppendUnknownError);
    await expect(store.fence(9)).rejects.toThrow(AppendUnknownError);
    await expect(store.initialize(BANK_ID)).rejects.toThrow(AppendUnknownError);
    await expect(store.saveSnapshot(sourceOf(SNAPSHOT))).rejects.toThrow(AppendUnknownError);
    expect(await store.batchAt(1)).toEqual(chain.batches[0]);
    await expect(new SqliteJournalStore({ folder }).open()).rejects.toThrow(StoreLockedError);

    const { head, closedCleanly } = await store.recover();
    expect(head?.position).toBe(doubt.found === "everything" ? chain.end : 2);
    expect(closedCleanly).toBe(false);
    await store.append(fresh, EPOCH);
    expect(await readAll(store)).toEqual(chain.batches);
  });

  it("leaves the store unclean when it is closed in doubt", async () => {
    const { folder, store, faults, chain } = await openFaulty();
    faults.order(INSERT, IOERR_FSYNC, "after");
    await expect(store.append([chain.grow()], EPOCH)).rejects.toThrow(AppendUnknownError);
    await store.close();
    const next = new SqliteJournalStore({ folder });
    onTestFinished(() => next.close());
    expect(await next.open()).toMatchObject({ closedCleanly: false, head: { position: 3 } });
  });

  it.each(["fence", "saveSnapshot"] as const)("may also be a %s", async (method) => {
    const { store, faults, chain } = await openFaulty();
    faults.order(method === "fence" ? META : COMMIT, IOERR_FSYNC, "after");
    const write = method === "fence" ? store.fence(4) : store.saveSnapshot(sourceOf({ ...SNAPSHOT, pages: [] }));
    await expect(write).rejects.toThrow(AppendUnknownError);
    await expect(store.append([chain.grow()], EPOCH)).rejects.toThrow(AppendUnknownError);
    const state = await store.recover();
    if (method === "fence") expect(state.epoch).toBe(4);
    else expect(await store.snapshotPositions()).toEqual([2]);
  });

  it("is one whose undoing failed", async () => {
    const { store, faults, chain } = await openFaulty();
    faults.order(INSERT, FULL);
    faults.order(ROLLBACK, IOERR_WRITE);
    await expect(store.append(chain.growBy(2), EPOCH)).rejects.toThrow(AppendUnknownError);
    expect(faults.spent).toBe(true);
    expect((await store.recover()).head?.position).toBe(2);
  });

  it("is settled by recover also where the file still calls itself clean", async () => {
    const { folder, store } = await openFaulty();
    await store.close();
    const again = faultyStore(folder);
    onTestFinished(() => again.store.close());
    await again.store.open();
    again.faults.order(META, IOERR_FSYNC);
    await expect(again.store.fence(7)).rejects.toThrow(AppendUnknownError);
    again.faults.order(SETTLE, IOERR_FSYNC);
    await expect(again.store.recover()).rejects.toThrow(StoreError);
    expect(again.faults.spent).toBe(true);
    await again.store.recover();
    await again.store.fence(7);
  });

  it("stays one when recover fails, and recover may be tried again", async () => {
    const { folder, store, faults, chain } = await openFaulty();
    const batch = chain.grow();
    faults.order(INSERT, IOERR_FSYNC);
    await expect(store.append([batch], EPOCH)).rejects.toThrow(AppendUnknownError);
    faults.order(SETTLE, IOERR_FSYNC);
    await expect(store.recover()).rejects.toThrow(StoreError);
    await expect(store.append([batch], EPOCH)).rejects.toThrow(AppendUnknownError);
    await expect(store.read(0)).rejects.toThrow(/recover/);
    await expect(new SqliteJournalStore({ folder }).open()).rejects.toThrow(StoreLockedError);
    await store.recover();
    await store.append([batch], EPOCH);
    expect(await readAll(store)).toEqual(chain.batches);
  });

  it("can be left by close after recover failed", async () => {
    const { folder, store, faults, chain } = await openFaulty();
    faults.order(INSERT, IOERR_FSYNC);
    await expect(store.append([chain.grow()], EPOCH)).rejects.toThrow(AppendUnknownError);
    faults.order(/journal_mode/, IOERR_WRITE);
    await expect(store.recover()).rejects.toThrow(StoreError);
    await store.close();
    const next = new SqliteJournalStore({ folder });
    onTestFinished(() => next.close());
    expect((await next.open()).head?.position).toBe(2);
  });
});

it("stays unclean where the log cannot be settled when closing", async () => {
  const { folder, store, faults } = await openFaulty();
  faults.order(SETTLE, FULL);
  await store.close();
  expect(faults.spent).toBe(true);
  const next = new SqliteJournalStore({ folder });
  onTestFinished(() => next.close());
  expect((await next.open()).closedCleanly).toBe(false);
});

describe("an unclean start", () => {
  async function uncleanFolder(): Promise<{ folder: string; chain: Chain }> {
    const folder = temporaryFolder();
    const connections = new Connections();
    const store = new SqliteJournalStore({ folder, connect: connections.connect });
    const chain = new Chain();
    await store.open();
    await store.initialize(BANK_ID);
    await store.append(chain.growBy(2), EPOCH);
    connections.cut();
    return { folder, chain };
  }

  it("settles the log before it answers, and fails where it cannot", async () => {
    const { folder } = await uncleanFolder();
    const { store, faults } = faultyStore(folder);
    onTestFinished(() => store.close());
    faults.order(SETTLE, IOERR_FSYNC);
    await expect(store.open()).rejects.toThrow(StoreError);
    expect(faults.spent).toBe(true);
    expect(await store.open()).toMatchObject({ closedCleanly: false, head: { position: 2 } });
  });

  it("waits for whoever reads the file, without serving meanwhile", async () => {
    const { folder } = await uncleanFolder();
    // Closing the last connection would empty the log, so a killed process is what leaves one with something in it.
    const child = new StoreProcess({ mode: "append", folder });
    await child.printed(/^stored/);
    await child.kill();
    const reader = new DatabaseSync(join(folder, "journal.db"));
    onTestFinished(() => disconnect(reader));
    reader.exec("BEGIN; SELECT * FROM journal");
    const store = new SqliteJournalStore({ folder });
    onTestFinished(() => store.close());
    await expect(store.open()).rejects.toThrow(StoreLockedError);
    await expect(store.open()).rejects.toThrow(/another program is reading or writing/);
    reader.close();
    expect((await store.open()).closedCleanly).toBe(false);
  });

  it("does not settle a log that was closed cleanly", async () => {
    const { folder } = await uncleanFolder();
    const first = new SqliteJournalStore({ folder });
    await first.open();
    await first.close();
    const { store, faults } = faultyStore(folder);
    onTestFinished(() => store.close());
    faults.order(SETTLE, IOERR_FSYNC);
    await store.open();
    expect(faults.spent).toBe(false);
  });

  it("on a full disk serves reads, refuses writes, and takes them once there is room", async () => {
    const { folder, chain } = await uncleanFolder();
    const { store, faults } = faultyStore(folder);
    onTestFinished(() => store.close());
    faults.order(SETTLE, FULL);
    faults.order(SETTLE, FULL);
    faults.order(SETTLE, FULL);
    expect(await store.open()).toMatchObject({ closedCleanly: false, head: { position: 2 } });
    expect(await readAll(store)).toEqual(chain.batches);
    const batch = chain.grow();
    await expect(store.append([batch], EPOCH)).rejects.toThrow(AppendRefusedError);
    await expect(store.fence(2)).rejects.toThrow(AppendRefusedError);
    expect(faults.spent).toBe(true);
    await store.append([batch], EPOCH);
    expect(await readAll(store)).toEqual(chain.batches);
  });

  it("on a full disk stays unclean when it is closed before there was room", async () => {
    const { folder } = await uncleanFolder();
    const { store, faults } = faultyStore(folder);
    faults.order(SETTLE, FULL);
    await store.open();
    await store.close();
    const next = new SqliteJournalStore({ folder });
    onTestFinished(() => next.close());
    expect((await next.open()).closedCleanly).toBe(false);
  });
});

it("goes on when the log cannot be copied into the journal's file, and says so once", async () => {
  const { store, faults, chain } = await openFaulty();
  const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
  onTestFinished(() => warn.mockRestore());
  faults.order(/wal_checkpoint\(PASSIVE\)/, IOERR_FSYNC);
  faults.order(/wal_checkpoint\(PASSIVE\)/, IOERR_FSYNC);
  const large = { frameBytes: 5 * 1024 * 1024 };
  await store.append([chain.grow(large)], EPOCH);
  await store.append([chain.grow(large)], EPOCH);
  expect(faults.spent).toBe(true);
  await store.append([chain.grow()], EPOCH);
  expect((await store.recover()).head?.position).toBe(5);
  expect(warn).toHaveBeenCalledOnce();
  expect(warn).toHaveBeenCalledWith(expect.stringMatching(/nothing is lost/), { code: "BANK_STORE_CHECKPOINT" });
});

import { expect, it } from "vitest";
import { BANK_ID, Chain } from "../conformance/chain.ts";
import { AppendRefusedError, AppendUnknownError, JournalConflictError, StoreError } from "../errors.ts";
import { MemoryDisk } from "../memory/memory-disk.ts";
import { MemoryJournalStore } from "../memory/memory-store.ts";
import { sourceOf } from "../snapshot-source.ts";
import { FaultyStore } from "./faulty-store.ts";

const EPOCH = { epoch: 1 };

async function openFaulty(disk = new MemoryDisk()): Promise<FaultyStore> {
  const store = new FaultyStore(new MemoryJournalStore(disk));
  await store.open();
  await store.initialize(BANK_ID);
  return store;
}

it("refuses one append and then goes on", async () => {
  const store = await openFaulty();
  const batch = new Chain().next();
  store.failNextAppend("refused");
  expect(store.faultsSpent).toBe(false);
  await expect(store.append([batch], EPOCH)).rejects.toThrow(AppendRefusedError);
  expect(store.faultsSpent).toBe(true);
  expect(await store.read(0)).toEqual([]);
  await store.append([batch], EPOCH);
  expect(await store.read(0)).toEqual([batch]);
});

it.each([
  { fault: "unknown-lost", before: 0, after: 0 },
  { fault: "unknown-stored", before: 1, after: 1 },
  { fault: "unknown-surfacing", before: 0, after: 1 },
] as const)("after $fault shows $before batches, after recover $after", async ({ fault, before, after }) => {
  const store = await openFaulty();
  const chain = new Chain();
  const batch = chain.next();
  const other = chain.next({ variant: 1 });
  store.failNextAppend(fault);
  await expect(store.append([batch], EPOCH)).rejects.toThrow(AppendUnknownError);
  expect(await store.read(0)).toHaveLength(before);
  await expect(store.append([batch], EPOCH)).rejects.toThrow(AppendUnknownError);
  await expect(store.fence(5)).rejects.toThrow(AppendUnknownError);
  await expect(store.initialize(BANK_ID)).rejects.toThrow(AppendUnknownError);
  const snapshot = { position: 1, header: Uint8Array.of(1), pages: [] };
  await expect(store.saveSnapshot(sourceOf(snapshot))).rejects.toThrow(AppendUnknownError);
  expect((await store.recover()).head?.position ?? 0).toBe(after);
  if (after === 1) await expect(store.append([other], EPOCH)).rejects.toThrow(JournalConflictError);
  await store.append([batch], EPOCH);
  expect(await store.read(0)).toEqual([batch]);
});

it.each(["recovered", "not recovered"])("ends the saving of a snapshot with a doubt that is %s", async (how) => {
  const store = await openFaulty();
  const chain = new Chain();
  await store.append([chain.grow()], EPOCH);
  const pages = async function* () {
    yield Uint8Array.of(1);
    store.failNextAppend("unknown-lost");
    await expect(store.append([chain.next()], EPOCH)).rejects.toThrow(AppendUnknownError);
    if (how === "recovered") await store.recover();
  };
  const saved = store.saveSnapshot({ position: 1, pages: pages(), header: () => Uint8Array.of(1) });
  await expect(saved).rejects.toThrow(how === "recovered" ? StoreError : AppendUnknownError);
  await store.recover();
  expect(await store.snapshotPositions()).toEqual([]);
});

it("lets the next process find what a fault hid", async () => {
  const disk = new MemoryDisk();
  const store = await openFaulty(disk);
  const batch = new Chain().next();
  store.failNextAppend("unknown-surfacing");
  await expect(store.append([batch], EPOCH)).rejects.toThrow(AppendUnknownError);
  await store.surface();
  disk.holder = undefined;
  expect((await new MemoryJournalStore(disk).open()).head?.position).toBe(1);
});

it("fails as many appends as were ordered, in order", async () => {
  const store = await openFaulty();
  const chain = new Chain();
  store.failNextAppend("refused");
  store.failNextAppend("unknown-lost");
  await expect(store.append([chain.next()], EPOCH)).rejects.toThrow(AppendRefusedError);
  await expect(store.append([chain.next()], EPOCH)).rejects.toThrow(AppendUnknownError);
  await store.recover();
  await store.append([chain.grow()], EPOCH);
  expect(await store.read(0)).toEqual(chain.batches);
});

import { expect, it, onTestFinished } from "vitest";
import { BANK_ID, Chain } from "../conformance/chain.ts";
import { readAll } from "../conformance/fixture.ts";
import { StoreFullError } from "../errors.ts";
import { sourceOf } from "../snapshot-source.ts";
import { whereDisksCanBeMade } from "../testing/small-disk.ts";
import { Connections, temporaryFolder } from "./places.test-util.ts";
import { SqliteJournalStore } from "./sqlite-store.ts";

const MIB = 1024 * 1024;
const EPOCH = { epoch: 1 };
const source = (position: number) =>
  sourceOf({ position, header: Uint8Array.of(1), pages: [Uint8Array.of(2), new Uint8Array(600_000)] });

it("a store below its mark takes neither batches nor snapshots, is read as ever, and begins what it must", async () => {
  let free = 201 * MIB;
  const store = new SqliteJournalStore({
    folder: temporaryFolder(),
    minFreeBytes: 200 * MIB,
    freeBytes: () => free,
  });
  onTestFinished(() => store.close());
  const chain = new Chain();
  await store.open();
  await store.initialize(BANK_ID);
  await store.append(chain.growBy(3), EPOCH);
  free = 100 * MIB;
  // So much is written that the next write looks.
  await store.append(chain.growBy(11, { frameBytes: 100_000 }), EPOCH);
  const refused = chain.next();
  await expect(store.append([refused], EPOCH)).rejects.toThrow(StoreFullError);
  await expect(store.append([refused], EPOCH)).rejects.toThrow(
    /append to the journal: the disk of .* has 100\.0 MiB left/,
  );
  await expect(store.saveSnapshot(source(chain.end))).rejects.toThrow(/save a snapshot: the disk of/);
  expect(store.room?.shortage).toBeDefined();
  // What is there is a success, and needs no room.
  await store.append(chain.batches.slice(-1), EPOCH);
  expect(await readAll(store)).toEqual(chain.batches);
  await store.fence(2);
  await store.append([chain.grow()], { epoch: 2, fromReserve: true });
  await expect(store.append([chain.next()], { epoch: 2 })).rejects.toThrow(StoreFullError);
  expect(await store.snapshotPositions()).toEqual([]);
  expect(await readAll(store)).toEqual(chain.batches);
});

whereDisksCanBeMade("a store on a disk that is really full", (makeDisk) => {
  it("refuses what does not fit, loses nothing, and goes on where room is made", async () => {
    const disk = makeDisk(2 * MIB);
    const folder = `${disk.folder}/data`;
    const connections = new Connections();
    const store = new SqliteJournalStore({ folder, connect: connections.connect });
    onTestFinished(() => store.close());
    const chain = new Chain();
    await store.open();
    await store.initialize(BANK_ID);
    const fill = async () => {
      for (let i = 0; i < 1_000; i++) {
        const batch = chain.next({ frameBytes: 10_000 });
        await store.append([batch], EPOCH);
        chain.batches.push(batch);
      }
      throw new Error("the disk was never full");
    };
    await expect(fill()).rejects.toThrow(StoreFullError);
    await expect(fill()).rejects.toThrow(/full.*make room/);
    expect(chain.batches.length).toBeGreaterThan(40);
    await expect(store.saveSnapshot(source(chain.end))).rejects.toThrow(StoreFullError);
    expect(await readAll(store)).toEqual(chain.batches);

    // As its process would end there. The log cannot be settled, so that it opens for reading.
    connections.cut();
    await store.close();
    const next = new SqliteJournalStore({ folder });
    onTestFinished(() => next.close());
    expect((await next.open()).head?.position).toBe(chain.end);
    expect(await readAll(next)).toEqual(chain.batches);
    await expect(next.append([chain.next({ frameBytes: 100_000 })], EPOCH)).rejects.toThrow(StoreFullError);

    disk.resize(16 * MIB);
    await next.append(chain.growBy(3, { frameBytes: 100_000 }), EPOCH);
    await next.saveSnapshot(source(chain.end));
    await next.close();
    const last = new SqliteJournalStore({ folder });
    onTestFinished(() => last.close());
    expect(await last.open()).toMatchObject({ closedCleanly: true });
    expect(await readAll(last)).toEqual(chain.batches);
  });
});

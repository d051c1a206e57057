import { describe, expect, it } from "vitest";
import { AppendUnknownError, StoreClosedError, StoreError } from "../errors.ts";
import type { JournalStore, SnapshotSource, StoredSnapshot } from "../port.ts";
import { sourceOf } from "../snapshot-source.ts";
import { type MakeFixture, readAll, StorePlace, unevenChain } from "./fixture.ts";

/** What may happen while a snapshot is saved, a page after the other. */
export function describeSavingSnapshots(makeFixture: MakeFixture): void {
  describe("a snapshot that is being saved", () => {
    it("lets the journal go on, and is there when its header is", async () => {
      const chain = unevenChain();
      const place = await StorePlace.make(makeFixture);
      const store = await place.openBank(chain.batches);
      await store.saveSnapshot(sourceOf(snapshotAt(3)));
      const snapshot = snapshotAt(12);
      const asked: string[] = [];
      const source = between(snapshot, async (page) => {
        asked.push(`page ${page}`);
        expect(await store.snapshotPositions()).toEqual([3]);
        expect(await store.loadSnapshot(12)).toBeUndefined();
        await store.append([chain.grow({ frameBytes: 2_000 })], { epoch: 1 });
        await store.fence(1);
        expect(await readAll(store)).toEqual(chain.batches);
      });
      await store.saveSnapshot({
        ...source,
        header: () => {
          asked.push("header");
          return snapshot.header;
        },
      });
      expect(asked).toEqual(["page 0", "page 1", "page 2", "page 3", "header"]);
      expect(await store.snapshotPositions()).toEqual([12, 3]);
      expect(await store.loadSnapshot(12)).toEqual(snapshot);
      await place.abandon(store);
      const again = (await place.open()).store;
      expect(await again.loadSnapshot(12)).toEqual(snapshot);
      expect(await readAll(again)).toEqual(chain.batches);
    });

    it("is waited for: the next page only when the one before is written", async () => {
      const store = await (await StorePlace.make(makeFixture)).openBank(unevenChain().batches);
      const reused = new Uint8Array(3);
      const pages = function* () {
        for (let page = 1; page <= 3; page++) yield reused.fill(page);
      };
      await store.saveSnapshot({ position: 3, pages: pages(), header: () => Uint8Array.of(1) });
      const written = [1, 2, 3].map((page) => new Uint8Array(3).fill(page));
      expect((await store.loadSnapshot(3))?.pages).toEqual(written);
    });

    it.each(["first page", "last page", "end", "header"])("is none when its source fails at its %s", async (where) => {
      const chain = unevenChain();
      const store = await (await StorePlace.make(makeFixture)).openBank(chain.batches);
      await store.saveSnapshot(sourceOf(snapshotAt(3)));
      await store.saveSnapshot(sourceOf(snapshotAt(4)));
      const failure = new Error("ordered by a test");
      const at = { "first page": 0, "last page": 2, end: 3, header: -1 }[where];
      const source = between(snapshotAt(9), async (page) => {
        if (page === at) throw failure;
      });
      const header = () => {
        throw failure;
      };
      const failing = where === "header" ? { ...source, header } : source;
      await expect(store.saveSnapshot(failing)).rejects.toBe(failure);
      await expectSnapshots(store, [snapshotAt(4), snapshotAt(3)]);
      await store.append([chain.grow()], { epoch: 1 });
      // In its place another, also with fewer pages.
      const other = snapshotAt(9, { pages: 1 });
      await store.saveSnapshot(sourceOf(other));
      await expectSnapshots(store, [other, snapshotAt(4)]);
    });

    it("is none when the process ends before its header, and the next one takes its place", async () => {
      const chain = unevenChain();
      const place = await StorePlace.make(makeFixture);
      const store = await place.openBank(chain.batches);
      await store.saveSnapshot(sourceOf(snapshotAt(3)));
      const source = between(snapshotAt(9), async (page) => {
        if (page === 1) await store.append([chain.grow()], { epoch: 1 });
        if (page === 2) await place.abandon(store);
      });
      await expect(store.saveSnapshot(source)).rejects.toThrow();
      const again = (await place.open()).store;
      expect(await readAll(again)).toEqual(chain.batches);
      await expectSnapshots(again, [snapshotAt(3)]);
      const other = snapshotAt(9, { pages: 2 });
      await again.saveSnapshot(sourceOf(other));
      await expectSnapshots(again, [other, snapshotAt(3)]);
    });

    it("gives up the one at its position, and no other", async () => {
      const store = await (await StorePlace.make(makeFixture)).openBank(unevenChain().batches);
      await store.saveSnapshot(sourceOf(snapshotAt(3)));
      await store.saveSnapshot(sourceOf(snapshotAt(4)));
      const source = between(snapshotAt(4, { variant: 1 }), async (page) => {
        await expectSnapshots(store, [snapshotAt(3)]);
        if (page === 3) throw new Error("ordered by a test");
      });
      await expect(store.saveSnapshot(source)).rejects.toThrow("ordered by a test");
      await expectSnapshots(store, [snapshotAt(3)]);
    });

    it("is the only one", async () => {
      const store = await (await StorePlace.make(makeFixture)).openBank(unevenChain().batches);
      const source = between(snapshotAt(4), async () => {
        await expect(store.saveSnapshot(sourceOf(snapshotAt(3)))).rejects.toThrow(StoreError);
        await expect(store.saveSnapshot(sourceOf(snapshotAt(4)))).rejects.toThrow(StoreError);
      });
      await store.saveSnapshot(source);
      await store.saveSnapshot(sourceOf(snapshotAt(3)));
      await expectSnapshots(store, [snapshotAt(4), snapshotAt(3)]);
    });

    it.each([0, 1, 3])("ends with a recovery at its page %d", async (at) => {
      const chain = unevenChain();
      const store = await (await StorePlace.make(makeFixture)).openBank(chain.batches);
      const source = between(snapshotAt(4), async (page) => {
        if (page === at) await store.recover();
      });
      const error: unknown = await store.saveSnapshot(source).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(StoreError);
      expect(error).not.toBeInstanceOf(AppendUnknownError);
      await expectSnapshots(store, []);
      await store.append([chain.grow()], { epoch: 1 });
      await store.saveSnapshot(sourceOf(snapshotAt(4)));
      await expectSnapshots(store, [snapshotAt(4)]);
    });

    it("ends with a close, and the store opens again", async () => {
      const chain = unevenChain();
      const store = await (await StorePlace.make(makeFixture)).openBank(chain.batches);
      const source = between(snapshotAt(4), async (page) => {
        if (page === 1) await store.close();
      });
      await expect(store.saveSnapshot(source)).rejects.toThrow(StoreClosedError);
      expect((await store.open()).closedCleanly).toBe(true);
      await expectSnapshots(store, []);
      await store.saveSnapshot(sourceOf(snapshotAt(9)));
      await expectSnapshots(store, [snapshotAt(9)]);
    });
  });
}

async function expectSnapshots(store: JournalStore, snapshots: readonly StoredSnapshot[]): Promise<void> {
  expect(await store.snapshotPositions()).toEqual(snapshots.map(({ position }) => position));
  for (const snapshot of snapshots) expect(await store.loadSnapshot(snapshot.position)).toEqual(snapshot);
}

/** The source of a snapshot with something to do before each page, and behind the last. */
function between(snapshot: StoredSnapshot, act: (page: number) => Promise<void>): SnapshotSource {
  const pages = async function* () {
    for (const [number, page] of snapshot.pages.entries()) {
      await act(number);
      yield page;
    }
    await act(snapshot.pages.length);
  };
  return { ...sourceOf(snapshot), pages: pages() };
}

function snapshotAt(position: number, { pages = 3, variant = 0 } = {}): StoredSnapshot {
  return {
    position,
    header: Uint8Array.of(position, variant, 7),
    pages: Array.from({ length: pages }, (_, page) =>
      new Uint8Array(9_000 + page).fill(position * 16 + page + variant),
    ),
  };
}

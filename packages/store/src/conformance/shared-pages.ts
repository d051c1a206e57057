import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { JournalStore, SharedPage, SnapshotSource } from "../port.ts";
import { sourceOf } from "../snapshot-source.ts";
import { type MakeFixture, StorePlace, unevenChain } from "./fixture.ts";

/** Pages that many snapshots have. */
export function describeSharedPages(makeFixture: MakeFixture): void {
  describe("shared pages", () => {
    it("come back in their places, among pages that are not shared, after a crash and by themselves", async () => {
      const place = await StorePlace.make(makeFixture);
      const store = await place.openBank(unevenChain().batches);
      const pages = [page(1), shared(2), shared(3), page(4), shared(5), shared(2)];
      await store.saveSnapshot(snapshot(3, pages));
      await expectPages(store, 3, pages);
      await place.abandon(store);
      await expectPages((await place.open()).store, 3, pages);
    });

    it("are asked for once, and again only by those who do not know that the store has them", async () => {
      const place = await StorePlace.make(makeFixture);
      const store = await place.openBank(unevenChain().batches);
      const asked: string[] = [];
      const counted = (name: string, n: number, isProven: boolean) =>
        shared(n, { isProven, asked: () => asked.push(name) });
      await store.saveSnapshot(snapshot(3, [page(1), counted("new", 2, false), counted("lacking", 3, true)]));
      expect(new Set(asked)).toEqual(new Set(["new", "lacking"]));
      asked.length = 0;
      await store.saveSnapshot(
        snapshot(4, [counted("proven", 2, true), counted("proven", 3, true), counted("new", 4, false)]),
      );
      expect(new Set(asked)).toEqual(new Set(["new"]));
      asked.length = 0;
      await store.saveSnapshot(snapshot(9, [counted("unproven", 2, false)]));
      expect(new Set(asked)).toEqual(new Set(["unproven"]));
      await expectPages(store, 4, [shared(2), shared(3), shared(4)]);
      await expectPages(store, 9, [shared(2)]);
      // What no snapshot has any more was dropped, and is asked for again.
      await store.saveSnapshot(snapshot(10, [shared(2)]));
      asked.length = 0;
      await store.saveSnapshot(snapshot(12, [counted("dropped", 3, true), counted("kept", 2, true)]));
      expect(new Set(asked)).toEqual(new Set(["dropped"]));
      await expectPages(store, 10, [shared(2)]);
      await expectPages(store, 12, [shared(3), shared(2)]);
    });

    it("stay with the snapshots that have them when another is given up, replaced or forgotten", async () => {
      const place = await StorePlace.make(makeFixture);
      const store = await place.openBank(unevenChain().batches);
      await store.saveSnapshot(snapshot(3, [shared(1), shared(2)]));
      await store.saveSnapshot(snapshot(4, [shared(1), shared(3), page(7)]));
      const failing = snapshot(9, [shared(1), shared(2), shared(8)]);
      const failure = new Error("ordered by a test");
      const header = () => {
        throw failure;
      };
      await expect(store.saveSnapshot({ ...failing, header })).rejects.toBe(failure);
      await expectPages(store, 3, [shared(1), shared(2)]);
      await expectPages(store, 4, [shared(1), shared(3), page(7)]);
      await store.saveSnapshot(snapshot(4, [page(9), shared(2)]));
      await expectPages(store, 3, [shared(1), shared(2)]);
      await expectPages(store, 4, [page(9), shared(2)]);
      await store.saveSnapshot(sourceOf({ position: 12, header: Uint8Array.of(12), pages: [page(5)] }));
      expect(await store.loadSnapshot(3)).toBeUndefined();
      await expectPages(store, 4, [page(9), shared(2)]);
      await expectPages(store, 12, [page(5)]);
      await store.close();
      await expectPages((await place.open()).store, 4, [page(9), shared(2)]);
    });

    it("need a hash", async () => {
      const store = await (await StorePlace.make(makeFixture)).openBank(unevenChain().batches);
      const source = snapshot(3, [{ ...shared(1), hash: new Uint8Array(31) }]);
      await expect(store.saveSnapshot(source)).rejects.toThrow(RangeError);
      expect(await store.snapshotPositions()).toEqual([]);
    });

    it("may be hundreds, most of them in all snapshots", async () => {
      const store = await (await StorePlace.make(makeFixture)).openBank(unevenChain().batches);
      for (const [position, from, to] of [
        [3, 0, 600],
        [4, 20, 620],
        [9, 590, 1_200],
        [10, 1_100, 1_200],
      ] as const)
        await store.saveSnapshot(
          snapshot(
            position,
            Array.from({ length: to - from }, (_, i) => shared(from + i)),
          ),
        );
      const pagesOf = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => shared(from + i));
      await expectPages(store, 9, pagesOf(590, 1_200));
      await expectPages(store, 10, pagesOf(1_100, 1_200));
    });
  });
}

function page(n: number): Uint8Array {
  return new Uint8Array(300 + n).fill(n);
}

function shared(
  n: number,
  { isProven = false, asked = () => undefined }: { isProven?: boolean; asked?: () => unknown } = {},
): SharedPage {
  const bytes = new Uint8Array(Int32Array.of(n, n * 7, 5).buffer);
  return {
    hash: createHash("sha256").update(bytes).digest(),
    isProven,
    bytes: () => {
      asked();
      return bytes;
    },
  };
}

function snapshot(position: number, pages: readonly (Uint8Array | SharedPage)[]): SnapshotSource {
  return { position, pages, header: () => Uint8Array.of(position) };
}

async function expectPages(
  store: JournalStore,
  position: number,
  pages: readonly (Uint8Array | SharedPage)[],
): Promise<void> {
  const expected = pages.map((each) => new Uint8Array(each instanceof Uint8Array ? each : each.bytes()));
  const loaded = await store.loadSnapshot(position);
  expect(loaded?.pages.map((each) => new Uint8Array(each))).toEqual(expected);
  expect(await store.snapshotHeader(position)).toEqual(Uint8Array.of(position));
  for (const [number, bytes] of expected.entries())
    if (number < 8) expect(await store.snapshotPage(position, number)).toEqual(bytes);
  expect(await store.snapshotPage(position, expected.length)).toBeUndefined();
}

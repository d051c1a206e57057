import { describe, expect, it } from "vitest";
import { PositionGapError } from "../errors.ts";
import type { StoredSnapshot } from "../port.ts";
import { sourceOf } from "../snapshot-source.ts";
import { type MakeFixture, StorePlace, unevenChain } from "./fixture.ts";

/** Snapshots: the two newest, whole, over closes and crashes. */
export function describeSnapshots(makeFixture: MakeFixture): void {
  describe("snapshots", () => {
    it("are found and loaded, whole, after a crash", async () => {
      const place = await StorePlace.make(makeFixture);
      const store = await place.openBank(unevenChain().batches);
      expect(await store.snapshotPositions()).toEqual([]);
      expect(await store.loadSnapshot(3)).toBeUndefined();
      const snapshot = snapshotAt(4, { pages: [0, 1, 5_000, 0, 200_000] });
      await store.saveSnapshot(sourceOf(snapshot));
      await place.abandon(store);
      const again = (await place.open()).store;
      expect(await again.snapshotPositions()).toEqual([4]);
      expect(await again.loadSnapshot(4)).toEqual(snapshot);
      expect(await again.loadSnapshot(3)).toBeUndefined();
    });

    it("may have no pages", async () => {
      const store = await (await StorePlace.make(makeFixture)).openBank(unevenChain().batches);
      await store.saveSnapshot(sourceOf(snapshotAt(3, { pages: [] })));
      expect(await store.loadSnapshot(3)).toEqual(snapshotAt(3, { pages: [] }));
    });

    it("are forgotten but for the two of the highest positions", async () => {
      const place = await StorePlace.make(makeFixture);
      const store = await place.openBank(unevenChain().batches);
      for (const [position, kept] of [
        [3, [3]],
        [9, [9, 3]],
        [4, [9, 4]],
        [10, [10, 9]],
        [12, [12, 10]],
      ] as const) {
        await store.saveSnapshot(sourceOf(snapshotAt(position)));
        expect(await store.snapshotPositions()).toEqual(kept);
        for (const one of [3, 4, 9, 10, 12]) {
          const expected = (kept as readonly number[]).includes(one) ? snapshotAt(one) : undefined;
          expect(await store.loadSnapshot(one)).toEqual(expected);
        }
      }
      await store.close();
      expect(await (await place.open()).store.snapshotPositions()).toEqual([12, 10]);
    });

    it("are replaced by one at the same position, with fewer pages or more", async () => {
      const store = await (await StorePlace.make(makeFixture)).openBank(unevenChain().batches);
      await store.saveSnapshot(sourceOf(snapshotAt(3)));
      for (const pages of [[10, 10, 10], [20], [30, 30, 30, 30]]) {
        await store.saveSnapshot(sourceOf(snapshotAt(4, { pages, variant: pages.length })));
        expect(await store.loadSnapshot(4)).toEqual(snapshotAt(4, { pages, variant: pages.length }));
        expect(await store.snapshotPositions()).toEqual([4, 3]);
      }
    });

    it("are only of positions where a batch ends", async () => {
      const store = await (await StorePlace.make(makeFixture)).openBank(unevenChain().batches);
      for (const position of [1, 2, 5, 11, 13]) {
        await expect(store.saveSnapshot(sourceOf(snapshotAt(position)))).rejects.toThrow(PositionGapError);
      }
      await expect(store.saveSnapshot(sourceOf(snapshotAt(0)))).rejects.toThrow(RangeError);
      const headless = { position: 3, header: new Uint8Array(), pages: [] };
      await expect(store.saveSnapshot(sourceOf(headless))).rejects.toThrow(RangeError);
      expect(await store.snapshotPositions()).toEqual([]);
    });

    it("share no bytes with the caller", async () => {
      const store = await (await StorePlace.make(makeFixture)).openBank(unevenChain().batches);
      const original = snapshotAt(3);
      const lent = {
        ...original,
        header: Buffer.from(original.header),
        pages: original.pages.map((p) => Buffer.from(p)),
      };
      await store.saveSnapshot(sourceOf(lent));
      for (const bytes of [lent.header, ...lent.pages]) bytes.fill(0);
      const loaded = await store.loadSnapshot(3);
      expect(loaded).toEqual(original);
      for (const bytes of [loaded?.header, ...(loaded?.pages ?? [])]) bytes?.fill(0);
      expect(await store.loadSnapshot(3)).toEqual(original);
    });

    it("leave the journal as it is", async () => {
      const chain = unevenChain();
      const store = await (await StorePlace.make(makeFixture)).openBank(chain.batches);
      await store.saveSnapshot(sourceOf(snapshotAt(12)));
      await store.append([chain.grow()], { epoch: 1 });
      expect(await store.read(0)).toEqual(chain.batches);
    });
  });
}

/** A snapshot whose pages have these sizes; default three of different sizes. */
function snapshotAt(
  position: number,
  { pages = [100, 8_192, 33], variant = 0 }: { pages?: readonly number[]; variant?: number } = {},
): StoredSnapshot {
  return {
    position,
    header: Uint8Array.from({ length: 60 }, (_, i) => (position + i + variant) % 256),
    pages: pages.map((size, number) =>
      Uint8Array.from({ length: size }, (_, i) => (i + number + position + variant) % 253),
    ),
  };
}

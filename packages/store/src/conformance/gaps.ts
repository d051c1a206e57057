import { describe, expect, it } from "vitest";
import { JournalConflictError, JournalGapError, PositionGapError, StoreError } from "../errors.ts";
import type { JournalStore, StoredBatch } from "../port.ts";
import { sourceOf } from "../snapshot-source.ts";
import { Chain } from "./chain.ts";
import { type MakeFixture, readAll, StorePlace } from "./fixture.ts";

const EPOCH = { epoch: 1 };
const PAGES = [Uint8Array.of(1, 2, 3), new Uint8Array(9_000).fill(7)];
const HEADER = Uint8Array.from({ length: 40 }, (_, i) => i);

/** Seven batches: 1 to 2, 3 to 4, and so on up to 14. */
function chainOfPairs(): Chain {
  const chain = new Chain();
  chain.growBy(7, { records: 2 });
  return chain;
}

function snapshotOf(batch: StoredBatch) {
  return sourceOf({ position: batch.lastPosition, header: HEADER, pages: PAGES });
}

/** A store with the first `before` batches, the snapshot of the sixth, and so a gap between. */
async function seeded(place: StorePlace, chain: Chain, before: number): Promise<JournalStore> {
  const store = await place.openBank(chain.batches.slice(0, before));
  const at = chain.batches[5] as StoredBatch;
  await store.seed(snapshotOf(at), at.chainHash);
  return store;
}

/** Journals that go on from a snapshot, and get what lies before it later. */
export function describeGaps(makeFixture: MakeFixture): void {
  describe.each([0, 1, 3])("a journal that goes on from a snapshot, with %d batches before the gap", (before) => {
    const after = 2 * before;
    const gapOf = (chain: Chain, filled: number) => ({
      after,
      filled: filled === 0 ? undefined : { position: 2 * filled, chainHash: chain.batches[filled - 1]?.chainHash },
      upTo: { position: 12, chainHash: chain.batches[5]?.chainHash },
    });

    it("ends at the snapshot, shows what is before the gap and behind it, and says what is missing", async () => {
      const place = await StorePlace.make(makeFixture);
      const chain = chainOfPairs();
      let store = await seeded(place, chain, before);
      for (const step of ["at first", "behind the snapshot", "after a crash", "after a close"]) {
        const end = step === "at first" ? 12 : 14;
        if (step === "behind the snapshot") {
          const fork = new Chain(chain.batches.slice(0, 6)).next({ variant: 1 });
          const stranger = { ...fork, previousHash: chain.batches[4]?.chainHash ?? fork.previousHash };
          await expect(store.append([stranger], EPOCH)).rejects.toThrow(JournalConflictError);
          await store.append([chain.batches[6] as StoredBatch], EPOCH);
        }
        if (step === "after a crash") await place.abandon(store);
        if (step === "after a close") await store.close();
        if (step.startsWith("after")) {
          const opened = await place.open();
          store = opened.store;
          expect(opened.state).toMatchObject({
            head: { position: 14, chainHash: chain.hash },
            gap: gapOf(chain, before),
          });
        }
        expect(await store.gap(), step).toEqual(gapOf(chain, before));
        expect(await store.snapshotPositions()).toEqual([12]);
        expect(await store.loadSnapshot(12)).toEqual({ position: 12, header: HEADER, pages: PAGES });
        for (let position = 0; position <= end; position++) {
          const known = chain.batches.filter(({ lastPosition }) => lastPosition <= after || lastPosition > 12);
          if (position >= after && position < 12) {
            await expect(store.read(position), `${step} ${position}`).rejects.toThrow(JournalGapError);
          } else {
            const shown = known.filter(({ lastPosition }) => lastPosition > position && lastPosition <= end);
            const expected = position < after ? shown.filter(({ lastPosition }) => lastPosition <= after) : shown;
            expect(await store.read(position), `${step} ${position}`).toEqual(expected);
          }
          if (position === 0) continue;
          const batch = chain.batches.find(({ lastPosition }) => lastPosition >= position);
          const hash = batch?.lastPosition === position ? batch.chainHash : undefined;
          const isMissing = position > after && position <= 12;
          if (isMissing) await expect(store.batchAt(position)).rejects.toThrow(JournalGapError);
          else expect(await store.batchAt(position)).toEqual(batch);
          if (isMissing && position < 12) await expect(store.chainHashAt(position)).rejects.toThrow(JournalGapError);
          else expect(await store.chainHashAt(position)).toEqual(hash);
        }
      }
    });

    it("is filled in steps, shows nothing of them before the last, and is a journal like any other then", async () => {
      const place = await StorePlace.make(makeFixture);
      const chain = chainOfPairs();
      let store = await seeded(place, chain, before);
      await store.append([chain.batches[6] as StoredBatch], EPOCH);
      for (let filled = before; filled < 6; filled++) {
        expect(await store.gap()).toEqual(gapOf(chain, filled));
        await expect(store.read(after)).rejects.toThrow(JournalGapError);
        await expect(store.chainHashAt(after + 1)).rejects.toThrow(JournalGapError);
        // The one before again, as after a try whose end nobody knows.
        const from = Math.max(filled - 1, before);
        await store.fill(chain.batches.slice(from, filled + 1));
        if (filled === 4) {
          await place.abandon(store);
          store = (await place.open()).store;
        }
      }
      expect(await store.gap()).toBeUndefined();
      await store.fill(chain.batches.slice(4, 6));
      await store.append([chain.grow()], EPOCH);
      expect(await readAll(store)).toEqual(chain.batches);
      expect(await store.snapshotPositions()).toEqual([12]);
      await store.close();
      const again = await place.open();
      expect(again.state).toMatchObject({ head: { position: 15, chainHash: chain.hash }, gap: undefined });
      expect(await readAll(again.store)).toEqual(chain.batches);
      expect(await again.store.chainHashAt(12)).toEqual(chain.batches[5]?.chainHash);
    });

    it("is filled only with what leads from one side to the other", async () => {
      const place = await StorePlace.make(makeFixture);
      const chain = chainOfPairs();
      const store = await seeded(place, chain, before);
      const missing = chain.batches.slice(before, 6);
      await expect(store.fill(missing.slice(1))).rejects.toThrow(PositionGapError);
      const other = new Chain(chain.batches.slice(0, before));
      other.growBy(6 - before, { records: 2, variant: 1 });
      await expect(store.fill(other.batches.slice(before)), "another end").rejects.toThrow(JournalConflictError);
      const long = new Chain(chain.batches.slice(0, 5));
      long.grow({ records: 3 });
      await expect(store.fill(long.batches.slice(before)), "over the end").rejects.toThrow(JournalConflictError);
      // Nothing of it was kept, the parts that were right neither.
      expect(await store.gap()).toEqual(gapOf(chain, before));
      await store.fill(missing.slice(0, 1));
      const torn = { ...(missing[1] as StoredBatch), previousHash: chain.hash };
      await expect(store.fill([torn])).rejects.toThrow(JournalConflictError);
      const changed = { ...(missing[0] as StoredBatch), frame: Uint8Array.of(1) };
      await expect(store.fill([changed])).rejects.toThrow(JournalConflictError);
      await expect(store.append([missing[1] as StoredBatch], EPOCH)).rejects.toThrow(JournalGapError);
      await store.fill(missing);
      expect(await readAll(store)).toEqual(chain.batches.slice(0, 6));
    });
  });

  describe("a journal", () => {
    it("is as it was when going on from a snapshot is interrupted, and can begin again", async () => {
      const place = await StorePlace.make(makeFixture);
      const chain = chainOfPairs();
      let store = await place.openBank(chain.batches.slice(0, 2));
      const at = chain.batches[5] as StoredBatch;
      for (const ending of ["fails", "dies"]) {
        const pages = async function* () {
          yield* PAGES;
          if (ending === "fails") throw new Error("interrupted");
          await place.abandon(store);
        };
        const source = { position: 12, pages: pages(), header: () => HEADER };
        await expect(store.seed(source, at.chainHash)).rejects.toThrow(ending === "fails" ? "interrupted" : StoreError);
        if (ending === "dies") store = (await place.open()).store;
        expect(await store.gap()).toBeUndefined();
        expect(await store.snapshotPositions()).toEqual([]);
        expect(await readAll(store)).toEqual(chain.batches.slice(0, 2));
      }
      await store.seed(snapshotOf(at), at.chainHash);
      expect(await store.gap()).toMatchObject({ after: 4 });
    });

    it("goes on only from a later snapshot, and not over two gaps", async () => {
      const place = await StorePlace.make(makeFixture);
      const chain = chainOfPairs();
      const { store } = await place.open();
      const [, , third, , fifth, sixth] = chain.batches as [...StoredBatch[]];
      const seed = (batch = sixth as StoredBatch) => store.seed(snapshotOf(batch), batch.chainHash);
      await expect(seed()).rejects.toThrow(StoreError);
      await store.initialize(new Uint8Array(16));
      await store.append(chain.batches.slice(0, 3), EPOCH);
      await expect(seed(third)).rejects.toThrow(PositionGapError);
      await expect(store.seed(snapshotOf(fifth as StoredBatch), new Uint8Array(31))).rejects.toThrow(RangeError);
      await seed(fifth);
      await expect(seed(sixth)).rejects.toThrow(StoreError);
      expect(await store.gap()).toMatchObject({ after: 6, upTo: { position: 10 } });
      // A snapshot of its own end, later.
      await store.append([sixth as StoredBatch], EPOCH);
      await store.saveSnapshot(snapshotOf(sixth as StoredBatch));
      expect(await store.snapshotPositions()).toEqual([12, 10]);
    });

    it("gives a snapshot page by page", async () => {
      const store = await (await StorePlace.make(makeFixture)).openBank(chainOfPairs().batches);
      expect(await store.snapshotHeader(12)).toBeUndefined();
      expect(await store.snapshotPage(12, 0)).toBeUndefined();
      await store.saveSnapshot(sourceOf({ position: 12, header: HEADER, pages: PAGES }));
      expect(await store.snapshotHeader(12)).toEqual(HEADER);
      expect([await store.snapshotPage(12, 0), await store.snapshotPage(12, 1)]).toEqual(PAGES);
      expect(await store.snapshotPage(12, 2)).toBeUndefined();
    });
  });
}

import { describe, expect, it } from "vitest";
import { type MakeFixture, StorePlace, unevenChain } from "./fixture.ts";

/** Reads: from every position, under every limit, and what they give away. */
export function describeReading(makeFixture: MakeFixture): void {
  describe("reading", () => {
    it("gives from every position the batches that end after it", async () => {
      const chain = unevenChain();
      const store = await (await StorePlace.make(makeFixture)).openBank(chain.batches);
      for (let after = 0; after <= 14; after++) {
        expect(await store.read(after)).toEqual(chain.batches.filter(({ lastPosition }) => lastPosition > after));
      }
    });

    it("stops at every count of batches", async () => {
      const chain = unevenChain();
      const store = await (await StorePlace.make(makeFixture)).openBank(chain.batches);
      for (let after = 0; after <= 12; after++) {
        const rest = chain.batches.filter(({ lastPosition }) => lastPosition > after);
        for (let maxBatches = 1; maxBatches <= 7; maxBatches++) {
          expect(await store.read(after, { maxBatches })).toEqual(rest.slice(0, maxBatches));
        }
      }
    });

    it("stops before the frames exceed maxBytes, but gives at least one", async () => {
      const chain = unevenChain();
      const store = await (await StorePlace.make(makeFixture)).openBank(chain.batches);
      for (const [maxBytes, count] of [
        [0, 1],
        [1, 1],
        [99, 1],
        [100, 1],
        [101, 1],
        [199, 1],
        [200, 2],
        [399, 3],
        [400, 4],
        [499, 4],
        [500, 5],
        [Number.POSITIVE_INFINITY, 5],
      ] as const) {
        expect(await store.read(0, { maxBytes })).toEqual(chain.batches.slice(0, count));
      }
      expect(await store.read(3, { maxBytes: 250, maxBatches: 3 })).toEqual(chain.batches.slice(1, 3));
      expect(await store.read(3, { maxBytes: 250, maxBatches: 1 })).toEqual(chain.batches.slice(1, 2));
    });

    it("by default stops at 4 MiB and at 1,024 batches", async () => {
      const place = await StorePlace.make(makeFixture);
      const chain = unevenChain();
      chain.growBy(1_030, { frameBytes: 10 });
      const store = await place.openBank(chain.batches);
      expect(await store.read(0)).toHaveLength(1_024);
      const end = chain.end;
      await store.append(chain.growBy(5, { frameBytes: 1024 * 1024 }), { epoch: 1 });
      expect((await store.read(end)).map(({ firstPosition }) => firstPosition)).toEqual(
        [1, 2, 3, 4].map((i) => end + i),
      );
    });

    it("knows no negative, fractional or unsafe position, and no limit that stands still", async () => {
      const store = await (await StorePlace.make(makeFixture)).openBank(unevenChain().batches);
      for (const after of [-1, 0.5, Number.NaN, 2 ** 53]) await expect(store.read(after)).rejects.toThrow(RangeError);
      for (const maxBatches of [0, -1, Number.NaN]) {
        await expect(store.read(0, { maxBatches })).rejects.toThrow(RangeError);
      }
      for (const maxBytes of [-1, Number.NaN]) await expect(store.read(0, { maxBytes })).rejects.toThrow(RangeError);
    });

    it("gives bytes that are the caller's to change", async () => {
      const chain = unevenChain();
      const store = await (await StorePlace.make(makeFixture)).openBank(chain.batches);
      const taken = [...(await store.read(0)), await store.batchAt(1)];
      for (const batch of taken) {
        for (const bytes of [batch?.frame, batch?.previousHash, batch?.chainHash]) bytes?.fill(0);
      }
      (await store.chainHashAt(12))?.fill(0);
      expect(await store.read(0)).toEqual(chain.batches);
      expect(await store.chainHashAt(12)).toEqual(chain.hash);
      await store.append([chain.grow()], { epoch: 1 });
    });

    it("shows what an append stored as soon as it resolves", async () => {
      const chain = unevenChain();
      const store = await (await StorePlace.make(makeFixture)).openBank(chain.batches);
      for (let i = 0; i < 20; i++) {
        const end = chain.end;
        expect(await store.read(end)).toEqual([]);
        const batch = chain.grow({ records: 1 + (i % 3) });
        await store.append([batch], { epoch: 1 });
        expect(await store.read(end)).toEqual([batch]);
      }
    });
  });

  describe("looking up a position", () => {
    it("gives the batch that contains it", async () => {
      const chain = unevenChain();
      const store = await (await StorePlace.make(makeFixture)).openBank(chain.batches);
      for (let position = 1; position <= 12; position++) {
        const expected = chain.batches.find(
          ({ firstPosition, lastPosition }) => firstPosition <= position && position <= lastPosition,
        );
        expect(expected).toBeDefined();
        expect(await store.batchAt(position)).toEqual(expected);
      }
      expect(await store.batchAt(13)).toBeUndefined();
      expect(await store.batchAt(Number.MAX_SAFE_INTEGER)).toBeUndefined();
    });

    it("gives the chain hash where a batch ends and nowhere else", async () => {
      const chain = unevenChain();
      const store = await (await StorePlace.make(makeFixture)).openBank(chain.batches);
      for (let position = 1; position <= 14; position++) {
        const ending = chain.batches.find(({ lastPosition }) => lastPosition === position);
        expect(await store.chainHashAt(position)).toEqual(ending?.chainHash);
      }
    });

    it("finds nothing in an empty store, and knows no position 0", async () => {
      const store = await (await StorePlace.make(makeFixture)).openBank();
      expect(await store.read(0)).toEqual([]);
      expect(await store.read(5)).toEqual([]);
      expect(await store.batchAt(1)).toBeUndefined();
      expect(await store.chainHashAt(1)).toBeUndefined();
      await expect(store.batchAt(0)).rejects.toThrow(RangeError);
      await expect(store.chainHashAt(0)).rejects.toThrow(RangeError);
    });
  });
}

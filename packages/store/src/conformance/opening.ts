import { describe, expect, it } from "vitest";
import { JournalConflictError, StaleEpochError, StoreClosedError, StoreError, StoreLockedError } from "../errors.ts";
import { sourceOf } from "../snapshot-source.ts";
import { BANK_ID, Chain, OTHER_BANK_ID } from "./chain.ts";
import { type MakeFixture, readAll, StorePlace, unevenChain } from "./fixture.ts";

/** Opening, identity, fencing, recovery, closing, the lock. */
export function describeOpening(makeFixture: MakeFixture): void {
  describe("opening", () => {
    it("finds a new place empty", async () => {
      const { state } = await (await StorePlace.make(makeFixture)).open();
      expect(state).toEqual({ bankId: undefined, head: undefined, epoch: 0, closedCleanly: true });
    });

    it("finds after a close what was stored, closed cleanly", async () => {
      const place = await StorePlace.make(makeFixture);
      const chain = unevenChain();
      const store = await place.openBank(chain.batches);
      await store.fence(7);
      await store.close();
      const again = await place.open();
      expect(again.state).toEqual({
        bankId: BANK_ID,
        head: { position: 12, chainHash: chain.hash },
        epoch: 7,
        closedCleanly: true,
      });
      expect(await readAll(again.store)).toEqual(chain.batches);
    });

    it("finds after a crash what was stored, not closed cleanly, and continues there", async () => {
      const place = await StorePlace.make(makeFixture);
      const chain = unevenChain();
      await place.abandon(await place.openBank(chain.batches));
      const again = await place.open();
      expect(again.state).toEqual({
        bankId: BANK_ID,
        head: { position: 12, chainHash: chain.hash },
        epoch: 1,
        closedCleanly: false,
      });
      await again.store.append([chain.grow()], { epoch: 1 });
      expect(await readAll(again.store)).toEqual(chain.batches);
    });

    it.each(["initialize", "fence"] as const)("remembers over a crash that %s wrote to it", async (method) => {
      const place = await StorePlace.make(makeFixture);
      const { store } = await place.open();
      if (method === "initialize") await store.initialize(BANK_ID);
      else await store.fence(3);
      await place.abandon(store);
      const { state } = await place.open();
      expect(state.closedCleanly).toBe(false);
      expect(method === "initialize" ? state.bankId : state.epoch).toEqual(method === "initialize" ? BANK_ID : 3);
    });

    it("calls itself clean again after a crash, an opening and a close", async () => {
      const place = await StorePlace.make(makeFixture);
      await place.abandon(await place.openBank());
      await (await place.open()).store.close();
      expect((await place.open()).state.closedCleanly).toBe(true);
    });

    it("recovers in place and goes on", async () => {
      const place = await StorePlace.make(makeFixture);
      const chain = unevenChain();
      const store = await place.openBank(chain.batches);
      const state = await store.recover();
      expect(state).toMatchObject({ bankId: BANK_ID, head: { position: 12, chainHash: chain.hash }, epoch: 1 });
      await expect(place.open()).rejects.toThrow(StoreLockedError);
      await store.append([chain.grow()], { epoch: 1 });
      expect(await readAll(store)).toEqual(chain.batches);
    });

    it("gives states that are the caller's to change", async () => {
      const place = await StorePlace.make(makeFixture);
      const chain = unevenChain();
      const store = await place.openBank(chain.batches);
      const state = await store.recover();
      state.head?.chainHash.fill(0);
      state.bankId?.fill(0);
      await store.initialize(BANK_ID);
      await store.append([chain.grow()], { epoch: 1 });
    });
  });

  describe("the lock", () => {
    it("admits one store at a time and names what is locked and what to do", async () => {
      const place = await StorePlace.make(makeFixture);
      const { store } = await place.open();
      const second = place.connect();
      await expect(second.open()).rejects.toThrow(StoreLockedError);
      await expect(second.open()).rejects.toThrow(/in use|uses/);
      await store.close();
      await second.open();
      await expect(store.open()).rejects.toThrow(StoreLockedError);
    });

    it("ends with a crash", async () => {
      const place = await StorePlace.make(makeFixture);
      await place.abandon((await place.open()).store);
      await place.open();
    });

    it("leaves the holder unharmed when another is turned away", async () => {
      const place = await StorePlace.make(makeFixture);
      const chain = new Chain();
      const store = await place.openBank([chain.grow()]);
      await expect(place.open()).rejects.toThrow(StoreLockedError);
      await store.append([chain.grow()], { epoch: 1 });
      await expect(place.open()).rejects.toThrow(StoreLockedError);
      expect(await readAll(store)).toEqual(chain.batches);
    });
  });

  describe("identity", () => {
    it("takes one bank, again and again, and no other", async () => {
      const place = await StorePlace.make(makeFixture);
      const { store } = await place.open();
      await store.initialize(BANK_ID);
      await store.initialize(BANK_ID);
      await expect(store.initialize(OTHER_BANK_ID)).rejects.toThrow(JournalConflictError);
      await store.close();
      const again = await place.open();
      expect(again.state.bankId).toEqual(BANK_ID);
      await expect(again.store.initialize(OTHER_BANK_ID)).rejects.toThrow(JournalConflictError);
    });

    it("keeps its own copy of the id", async () => {
      const place = await StorePlace.make(makeFixture);
      const { store } = await place.open();
      const id = Buffer.from(BANK_ID);
      await store.initialize(id);
      id.fill(0);
      await store.initialize(BANK_ID);
      expect((await store.recover()).bankId).toEqual(BANK_ID);
    });

    it("takes no batch before it knows the bank", async () => {
      const { store } = await (await StorePlace.make(makeFixture)).open();
      await expect(store.append([new Chain().next()], { epoch: 1 })).rejects.toThrow(StoreError);
      expect((await store.recover()).head).toBeUndefined();
    });

    it("takes 16 bytes and nothing else for an id", async () => {
      const { store } = await (await StorePlace.make(makeFixture)).open();
      await expect(store.initialize(new Uint8Array(15))).rejects.toThrow(RangeError);
      await expect(store.initialize(new Uint8Array(17))).rejects.toThrow(RangeError);
    });
  });

  describe("fencing", () => {
    it("refuses appends of lower epochs, over a close and a crash", async () => {
      const place = await StorePlace.make(makeFixture);
      const chain = new Chain();
      let store = await place.openBank();
      await store.fence(5);
      await store.fence(5);
      await expect(store.fence(4)).rejects.toThrow(StaleEpochError);
      const batch = chain.grow();
      await expect(store.append([batch], { epoch: 4 })).rejects.toThrow(StaleEpochError);
      await store.close();
      store = (await place.open()).store;
      await expect(store.append([batch], { epoch: 4 })).rejects.toThrow(StaleEpochError);
      await place.abandon(store);
      store = (await place.open()).store;
      await expect(store.append([batch], { epoch: 4 })).rejects.toThrow(StaleEpochError);
      expect(await readAll(store)).toEqual([]);
      await store.append([batch], { epoch: 5 });
      expect(await readAll(store)).toEqual([batch]);
    });

    it("refuses a lower epoch also for what is stored already, and for no batches at all", async () => {
      const chain = new Chain();
      const store = await (await StorePlace.make(makeFixture)).openBank([chain.grow()]);
      await store.fence(2);
      await expect(store.append(chain.batches, { epoch: 1 })).rejects.toThrow(StaleEpochError);
      await expect(store.append([], { epoch: 1 })).rejects.toThrow(StaleEpochError);
    });

    it("takes a higher epoch's append without being raised by it", async () => {
      const chain = new Chain();
      const store = await (await StorePlace.make(makeFixture)).openBank();
      await store.append([chain.grow()], { epoch: 9 });
      expect((await store.recover()).epoch).toBe(1);
      await store.append([chain.grow()], { epoch: 1 });
    });

    it.each([-1, 0.5, Number.NaN, 2 ** 53])("knows no epoch %d", async (epoch) => {
      const store = await (await StorePlace.make(makeFixture)).openBank();
      await expect(store.fence(epoch)).rejects.toThrow(RangeError);
      await expect(store.append([], { epoch })).rejects.toThrow(RangeError);
    });
  });

  describe("a store that is not open", () => {
    it.each(["never opened", "closed"])("refuses politely when %s", async (how) => {
      const place = await StorePlace.make(makeFixture);
      const store = place.connect();
      if (how === "closed") {
        await store.open();
        await store.initialize(BANK_ID);
        await store.close();
      }
      const batch = new Chain().next();
      await expect(store.initialize(BANK_ID)).rejects.toThrow(StoreClosedError);
      await expect(store.fence(1)).rejects.toThrow(StoreClosedError);
      await expect(store.append([batch], { epoch: 1 })).rejects.toThrow(StoreClosedError);
      await expect(store.read(0)).rejects.toThrow(StoreClosedError);
      await expect(store.batchAt(1)).rejects.toThrow(StoreClosedError);
      await expect(store.chainHashAt(1)).rejects.toThrow(StoreClosedError);
      const snapshot = { position: 1, header: Uint8Array.of(1), pages: [] };
      await expect(store.saveSnapshot(sourceOf(snapshot))).rejects.toThrow(StoreClosedError);
      await expect(store.snapshotPositions()).rejects.toThrow(StoreClosedError);
      await expect(store.loadSnapshot(1)).rejects.toThrow(StoreClosedError);
      await expect(store.recover()).rejects.toThrow(StoreClosedError);
      await store.close();
      await store.close();
    });

    it("can be opened again after a close, and not twice", async () => {
      const place = await StorePlace.make(makeFixture);
      const chain = unevenChain();
      const store = await place.openBank(chain.batches);
      await expect(store.open()).rejects.toThrow(StoreError);
      await store.close();
      expect((await store.open()).head).toEqual({ position: 12, chainHash: chain.hash });
      await store.append([chain.grow()], { epoch: 1 });
      expect(await readAll(store)).toEqual(chain.batches);
    });
  });
}

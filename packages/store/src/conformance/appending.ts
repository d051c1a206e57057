import { describe, expect, it } from "vitest";
import { JournalConflictError, PositionGapError } from "../errors.ts";
import type { JournalStore, StoredBatch } from "../port.ts";
import { Chain, OTHER_BANK_ID } from "./chain.ts";
import { type MakeFixture, readAll, StorePlace, unevenChain } from "./fixture.ts";

const EPOCH = { epoch: 1 };

/** Appends: order, idempotence, conflicts, all or none. */
export function describeAppending(makeFixture: MakeFixture): void {
  const openBank = async (batches?: readonly StoredBatch[]): Promise<JournalStore> =>
    (await StorePlace.make(makeFixture)).openBank(batches);

  describe("appending", () => {
    it("stores batches one by one and several at once, byte for byte", async () => {
      const chain = new Chain();
      const store = await openBank();
      await store.append([chain.grow({ records: 3 })], EPOCH);
      await store.append(chain.growBy(4, { records: 2 }), EPOCH);
      await store.append([], EPOCH);
      await store.append([chain.grow()], EPOCH);
      expect(await readAll(store)).toEqual(chain.batches);
      expect((await store.recover()).head).toEqual({ position: 12, chainHash: chain.hash });
    });

    it.each([1, 100, 4_096, 65_536, 2 * 1024 * 1024 + 1])("stores a frame of %d bytes", async (frameBytes) => {
      const place = await StorePlace.make(makeFixture);
      const chain = new Chain();
      const store = await place.openBank([chain.grow({ frameBytes })]);
      await store.append(chain.growBy(2, { frameBytes }), EPOCH);
      await place.abandon(store);
      const found = await readAll((await place.open()).store);
      expect(found).toHaveLength(3);
      // Comparing megabytes with toEqual takes seconds.
      const same = found.every(
        ({ frame }, i) => Buffer.compare(frame, chain.batches[i]?.frame ?? frame.slice(1)) === 0,
      );
      expect(same).toBe(true);
    });

    it("handles positions up to the largest safe integer", async () => {
      const place = await StorePlace.make(makeFixture);
      const chain = new Chain();
      chain.grow({ records: Number.MAX_SAFE_INTEGER - 2 });
      chain.growBy(2);
      const store = await place.openBank(chain.batches);
      await store.close();
      const again = await place.open();
      expect(again.state.head?.position).toBe(Number.MAX_SAFE_INTEGER);
      const [, before, last] = chain.batches;
      expect(await again.store.batchAt(Number.MAX_SAFE_INTEGER - 1)).toEqual(before);
      expect(await again.store.batchAt(Number.MAX_SAFE_INTEGER)).toEqual(last);
      expect(await again.store.read(Number.MAX_SAFE_INTEGER - 1)).toEqual([last]);
      expect(await again.store.read(Number.MAX_SAFE_INTEGER)).toEqual([]);
      await again.store.append([...chain.batches], EPOCH);
    });

    it("does not keep the caller's arrays", async () => {
      const chain = new Chain();
      const original = chain.next({ frameBytes: 50 });
      // A Buffer, because its `slice` gives a view.
      const lent: StoredBatch = {
        ...original,
        frame: Buffer.from(original.frame),
        previousHash: Buffer.from(original.previousHash),
        chainHash: Buffer.from(original.chainHash),
      };
      const store = await openBank([lent]);
      for (const bytes of [lent.frame, lent.previousHash, lent.chainHash]) bytes.fill(0);
      expect(await readAll(store)).toEqual([original]);
      chain.batches.push(original);
      await store.append([chain.grow()], EPOCH);
    });
  });

  describe("positions", () => {
    it("begin at 1", async () => {
      const store = await openBank();
      const chain = new Chain();
      chain.grow();
      await expect(store.append([chain.next()], EPOCH)).rejects.toThrow(PositionGapError);
      expect(await readAll(store)).toEqual([]);
    });

    it("have no gap behind the head", async () => {
      const chain = unevenChain();
      const store = await openBank(chain.batches);
      const skipped = chain.next();
      const beyond = { ...skipped, firstPosition: skipped.firstPosition + 1, lastPosition: skipped.lastPosition + 1 };
      await expect(store.append([beyond], EPOCH)).rejects.toThrow(PositionGapError);
      expect(await readAll(store)).toEqual(chain.batches);
    });

    it.each([-1, 1])("have neither gap nor overlap inside an array (%d)", async (shift) => {
      const chain = unevenChain();
      const stored = [...chain.batches];
      const store = await openBank(stored);
      const [first, second] = [chain.grow({ records: 2 }), chain.grow({ records: 2 })];
      const shifted = { ...second, firstPosition: second.firstPosition + shift };
      await expect(store.append([first, shifted], EPOCH)).rejects.toThrow(PositionGapError);
      expect(await readAll(store)).toEqual(stored);
    });

    it("are checked before hashes", async () => {
      const chain = unevenChain();
      const store = await openBank(chain.batches);
      const [first, second] = [chain.grow(), chain.grow()];
      const broken = { ...first, previousHash: new Uint8Array(32) };
      const gap = { ...second, firstPosition: second.firstPosition + 1, lastPosition: second.lastPosition + 1 };
      await expect(store.append([broken, gap], EPOCH)).rejects.toThrow(PositionGapError);
    });

    it.each([
      { firstPosition: 0 },
      { firstPosition: -1 },
      { firstPosition: 1.5 },
      { lastPosition: 0 },
      { lastPosition: 2 ** 53 },
      { lastPosition: Number.NaN },
      { previousHash: new Uint8Array(31) },
      { chainHash: new Uint8Array(33) },
      { frame: new Uint8Array() },
    ])("and hashes and frames that nobody means are refused: %o", async (nonsense) => {
      const store = await openBank();
      await expect(store.append([{ ...new Chain().next(), ...nonsense }], EPOCH)).rejects.toThrow(RangeError);
      expect(await readAll(store)).toEqual([]);
    });
  });

  describe("hashes", () => {
    it("continue the head's", async () => {
      const chain = unevenChain();
      const store = await openBank(chain.batches);
      const broken = { ...chain.next(), previousHash: new Uint8Array(32) };
      await expect(store.append([broken], EPOCH)).rejects.toThrow(JournalConflictError);
      expect(await readAll(store)).toEqual(chain.batches);
    });

    it("continue the head's after a crash", async () => {
      const place = await StorePlace.make(makeFixture);
      const chain = unevenChain();
      await place.abandon(await place.openBank(chain.batches));
      const { store } = await place.open();
      const broken = { ...chain.next(), previousHash: new Uint8Array(32) };
      await expect(store.append([broken], EPOCH)).rejects.toThrow(JournalConflictError);
    });

    it("continue inside an array, or none of it is stored", async () => {
      const chain = unevenChain();
      const stored = [...chain.batches];
      const store = await openBank(stored);
      const [first, second, third] = [chain.grow(), chain.grow(), chain.grow()];
      const broken = { ...third, previousHash: first.chainHash };
      await expect(store.append([first, second, broken], EPOCH)).rejects.toThrow(JournalConflictError);
      expect(await readAll(store)).toEqual(stored);
      await store.append([first, second, third], EPOCH);
      expect(await readAll(store)).toEqual(chain.batches);
    });
  });

  describe("appending again", () => {
    it("succeeds for each batch that is there, in any piece of the journal", async () => {
      const chain = unevenChain();
      const store = await openBank(chain.batches);
      for (let from = 0; from < chain.batches.length; from++) {
        for (let to = from + 1; to <= chain.batches.length; to++) {
          await store.append(chain.batches.slice(from, to), EPOCH);
        }
      }
      expect(await readAll(store)).toEqual(chain.batches);
    });

    it("stores what is missing of an array that is partly there", async () => {
      const chain = unevenChain();
      const store = await openBank(chain.batches);
      chain.growBy(3, { records: 2 });
      await store.append(chain.batches.slice(2), EPOCH);
      expect(await readAll(store)).toEqual(chain.batches);
    });

    it("works after a crash", async () => {
      const place = await StorePlace.make(makeFixture);
      const chain = unevenChain();
      await place.abandon(await place.openBank(chain.batches));
      const { store } = await place.open();
      chain.grow();
      await store.append(chain.batches, EPOCH);
      expect(await readAll(store)).toEqual(chain.batches);
    });

    it("is a conflict with other bytes at the same position", async () => {
      const chain = unevenChain();
      const store = await openBank(chain.batches);
      for (const [i, batch] of chain.batches.entries()) {
        const twin = new Chain(chain.batches.slice(0, i)).next({
          records: batch.lastPosition - batch.firstPosition + 1,
          variant: 1,
        });
        await expect(store.append([twin], EPOCH)).rejects.toThrow(JournalConflictError);
      }
      expect(await readAll(store)).toEqual(chain.batches);
    });

    it.each([
      { what: "frame", change: { frame: OTHER_BANK_ID } },
      { what: "chain hash", change: { chainHash: new Uint8Array(32) } },
      { what: "previous hash", change: { previousHash: new Uint8Array(32) } },
    ])("is a conflict where only the $what differs", async ({ change }) => {
      const chain = unevenChain();
      const store = await openBank(chain.batches);
      for (const batch of chain.batches) {
        await expect(store.append([{ ...batch, ...change }], EPOCH)).rejects.toThrow(JournalConflictError);
      }
    });

    it("is a conflict where the same positions are cut into other batches", async () => {
      const chain = unevenChain();
      const store = await openBank(chain.batches);
      const [first] = chain.batches;
      const shorter = new Chain().next({ records: 2 });
      const longer = new Chain().next({ records: 13 });
      const inside = new Chain([shorter]).next({ records: 2 });
      expect(first?.lastPosition).toBe(3);
      for (const other of [[shorter], [longer], [inside], [shorter, inside]]) {
        await expect(store.append(other, EPOCH)).rejects.toThrow(JournalConflictError);
      }
      expect(await readAll(store)).toEqual(chain.batches);
    });

    it("is a conflict, and stores nothing, where a known beginning leads to another history", async () => {
      const chain = unevenChain();
      const store = await openBank(chain.batches);
      const fork = new Chain(chain.batches.slice(0, 3));
      fork.grow({ records: 1, variant: 1 });
      fork.growBy(4, { variant: 1 });
      await expect(store.append(fork.batches, EPOCH)).rejects.toThrow(JournalConflictError);
      expect(await readAll(store)).toEqual(chain.batches);
    });
  });
}

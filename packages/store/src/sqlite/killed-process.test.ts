import { describe, expect, it, onTestFinished } from "vitest";
import { BANK_ID, Chain, GENESIS_HASH, hash } from "../conformance/chain.ts";
import { readAll } from "../conformance/fixture.ts";
import { type Random, seeds, withSeed } from "../conformance/seeded.ts";
import { StoreLockedError } from "../errors.ts";
import type { StoredBatch } from "../port.ts";
import { temporaryFolder } from "./places.test-util.ts";
import { type ChildOptions, StoreProcess, whyNoInjection } from "./processes.test-util.ts";
import { SqliteJournalStore } from "./sqlite-store.ts";

const ROUNDS = 4;

describe("kill -9 in the middle of appends", () => {
  it.each(seeds())("loses no acknowledged batch and leaves none half (seed %d)", { timeout: 60_000 }, async (seed) => {
    await withSeed(seed, async (random) => {
      const folder = temporaryFolder();
      for (let round = 0; round < ROUNDS; round++) await killAndCheck(folder, random);
    });
  });
});

describe("the lock between processes", () => {
  it("turns the second away while the first lives, and is free at once after kill -9", async () => {
    const folder = temporaryFolder();
    const holder = new StoreProcess({ mode: "hold", folder });
    await holder.printed(/^ready$/);

    const store = new SqliteJournalStore({ folder });
    onTestFinished(() => store.close());
    await expect(store.open()).rejects.toThrow(StoreLockedError);
    // What, where, what to do.
    await expect(store.open()).rejects.toThrow(folder);
    await expect(store.open()).rejects.toThrow(/in use.*lock\.db.*Stop that process, or use another data folder/);

    await holder.kill();
    expect(await store.open()).toMatchObject({ bankId: BANK_ID, closedCleanly: false });

    const third = new StoreProcess({ mode: "hold", folder });
    expect(await third.end()).toBe(1);
    expect(third.lines).toEqual([expect.stringMatching(/^error StoreLockedError: .*in use/)]);
  });
});

const noInjection = whyNoInjection();

describe.skipIf(noInjection !== undefined)(
  `a process whose disk fails in fsync${noInjection === undefined ? "" : ` (SKIPPED: ${noInjection})`}`,
  () => {
    // The 20th sync fails, the 60th, and so on: in appends, with nothing that says whether the bytes are on the disk.
    it.each(seeds().slice(-1))("settles each doubt likewise (seed %d)", { timeout: 60_000 }, async (seed) => {
      await withSeed(seed, async () => {
        const inject = "fsync,fdatasync:error=EIO:when=20+40";
        await expectSettled({ mode: "starve", folder: temporaryFolder(), seed, inject });
      });
    });
  },
);

describe("a process whose writes fail", () => {
  // A limit on the size of files makes real writes to the log fail with an error that is not "disk full".
  it.each(seeds())("settles each doubt by recover and the same append (seed %d)", { timeout: 60_000 }, async (seed) => {
    await withSeed(seed, async () => {
      await expectSettled({ mode: "starve", folder: temporaryFolder(), seed, fileBlocksMax: 4_000 });
    });
  });
});

/** Lets a child append until two doubts were settled, and compares what is there with what it acknowledged. */
async function expectSettled(options: ChildOptions): Promise<void> {
  const child = new StoreProcess(options);
  const code = await child.end();
  expect(child.matching(/^error/)).toEqual([]);
  expect(code).toBe(0);
  expect(child.matching(/^unknown$/)).toHaveLength(2);
  const store = new SqliteJournalStore({ folder: options.folder });
  onTestFinished(() => store.close());
  const state = await store.open();
  expect(state.closedCleanly).toBe(true);
  expect(state.head?.position).toBe(lastStored(child));
  checkWhole(await readAll(store));
}

/** Lets a child append, kills it at a random moment, and compares what is there with what it acknowledged. */
async function killAndCheck(folder: string, random: Random): Promise<void> {
  const child = new StoreProcess({ mode: "append", folder, seed: random.integer(0, 2 ** 31) });
  await child.printed(/^stored/, random.integer(1, 150));
  await child.kill();
  expect(child.matching(/^error/)).toEqual([]);

  const store = new SqliteJournalStore({ folder });
  const state = await store.open();
  expect(state.closedCleanly).toBe(false);
  expect(state.head?.position).toBeGreaterThanOrEqual(lastStored(child));
  const batches = await readAll(store);
  checkWhole(batches);
  const ends = new Set(batches.map(({ lastPosition }) => lastPosition));
  for (const line of child.matching(/^stored/)) expect(ends).toContain(Number(line.slice("stored ".length)));
  for (const position of await store.snapshotPositions()) {
    const expected = await store.chainHashAt(position);
    expect(await store.loadSnapshot(position)).toEqual({ position, header: expected, pages: [expected, expected] });
  }
  // What this process adds must stand too, whatever the killed one left in the log.
  await store.append([new Chain(batches).next({ ending: [0, 1] })], { epoch: 1 });
  await store.close();
}

function lastStored(child: StoreProcess): number {
  const last = child.matching(/^stored/).at(-1);
  expect(last).toBeDefined();
  return Number(last?.slice("stored ".length));
}

/** Every frame is whole (its hash says so), the chain has no gap, and no array is there in part. */
function checkWhole(batches: readonly StoredBatch[]): void {
  let end = 0;
  let hashBefore = GENESIS_HASH;
  let rest = 0;
  for (const { firstPosition, lastPosition, frame, previousHash, chainHash } of batches) {
    const linked =
      firstPosition === end + 1 &&
      Buffer.compare(previousHash, hashBefore) === 0 &&
      Buffer.compare(chainHash, hash(previousHash, frame)) === 0;
    const [index = -1, length = -1] = frame.subarray(-2);
    const expected = rest === 0 ? 0 : length - rest;
    if (!linked || index !== expected) throw new Error(`the batch at ${firstPosition} is not whole or not in order`);
    rest = length - index - 1;
    end = lastPosition;
    hashBefore = chainHash;
  }
  expect(rest).toBe(0);
}

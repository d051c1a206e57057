import { describe, expect, it } from "vitest";
import { JournalConflictError, PositionGapError, StaleEpochError } from "../errors.ts";
import type { JournalStore } from "../port.ts";
import { Chain } from "./chain.ts";
import { type MakeFixture, readAll, StorePlace } from "./fixture.ts";
import { type Random, seeds, withSeed } from "./seeded.ts";

const STEPS = 150;

/** Random use, compared after each step with a chain in an array: the simplest store there is. */
export function describeTwin(makeFixture: MakeFixture): void {
  describe("random use", () => {
    it.each(seeds())("does what a naive twin does (seed %d)", async (seed) => {
      await withSeed(seed, async (random) => {
        const place = await StorePlace.make(makeFixture);
        const twin: Twin = { place, chain: new Chain(), epoch: 1, store: await place.openBank() };
        for (let step = 0; step < STEPS; step++) await takeStep(twin, random);
        expect(await readAll(twin.store)).toEqual(twin.chain.batches);
      });
    });
  });
}

interface Twin {
  readonly place: StorePlace;
  readonly chain: Chain;
  store: JournalStore;
  epoch: number;
}

async function takeStep(twin: Twin, random: Random): Promise<void> {
  const { chain } = twin;
  switch (random.integer(0, 11)) {
    case 0:
    case 1:
    case 2: {
      const known = random.integer(0, Math.min(3, chain.batches.length));
      const from = chain.batches.length - known;
      for (let i = random.integer(0, 4); i > 0; i--) {
        chain.grow({ records: random.integer(1, 6), frameBytes: random.integer(1, 3_000) });
      }
      return twin.store.append(chain.batches.slice(from), { epoch: random.integer(twin.epoch, twin.epoch + 1) });
    }
    case 3: {
      const beyond = new Chain([...chain.batches, chain.next({ records: random.integer(1, 5) })]);
      const error = expect(twin.store.append([beyond.next()], { epoch: twin.epoch }));
      return error.rejects.toThrow(PositionGapError);
    }
    case 4: {
      const fork = new Chain(chain.batches.slice(0, random.integer(0, chain.batches.length)));
      const other = fork.grow({ records: random.integer(1, 3), variant: 1 });
      if (fork.end > chain.end) return;
      return expect(twin.store.append([other], { epoch: twin.epoch })).rejects.toThrow(JournalConflictError);
    }
    case 5: {
      const stale = twin.store.append([chain.next()], { epoch: twin.epoch - 1 });
      return expect(stale).rejects.toThrow(StaleEpochError);
    }
    case 6:
      twin.epoch += random.integer(0, 2);
      return twin.store.fence(twin.epoch);
    case 7: {
      const limits = { maxBatches: random.integer(1, 5), maxBytes: random.integer(0, 6_000) };
      const after = random.integer(0, chain.end + 1);
      expect(await twin.store.read(after, limits)).toEqual(naiveRead(chain, after, limits));
      return;
    }
    case 8: {
      const position = random.integer(1, chain.end + 1);
      const batch = chain.batches.find(({ lastPosition }) => lastPosition >= position);
      expect(await twin.store.batchAt(position)).toEqual(batch);
      expect(await twin.store.chainHashAt(position)).toEqual(
        batch?.lastPosition === position ? batch.chainHash : undefined,
      );
      return;
    }
    case 9:
      if (chain.end === 0) return;
      return saveSnapshot(twin, random);
    default:
      return reopen(twin, random.pick(["close", "abandon", "recover"]));
  }
}

/** Of the end of the chain, which grows meanwhile. Some are interrupted. */
async function saveSnapshot({ chain, store, epoch }: Twin, random: Random): Promise<void> {
  const { end: position, hash } = chain;
  const endsAt = random.integer(0, 8);
  const pages = async function* () {
    for (let step = 0; step < 6; step++) {
      if (step === endsAt) throw new Error("interrupted");
      if (step === 3) yield hash;
      if (random.integer(0, 1) === 1) await store.append([chain.grow()], { epoch });
    }
  };
  const saved = store.saveSnapshot({ position, pages: pages(), header: () => hash });
  if (endsAt < 6) await expect(saved).rejects.toThrow("interrupted");
  else await saved;
  expect((await store.snapshotPositions()).includes(position)).toBe(endsAt >= 6);
}

async function reopen(twin: Twin, how: "close" | "abandon" | "recover"): Promise<void> {
  const { chain, place } = twin;
  if (how === "close") await twin.store.close();
  if (how === "abandon") await place.abandon(twin.store);
  if (how !== "recover") twin.store = place.connect();
  const state = how === "recover" ? await twin.store.recover() : await twin.store.open();
  expect(state.epoch).toBe(twin.epoch);
  expect(state.head).toEqual(chain.end === 0 ? undefined : { position: chain.end, chainHash: chain.hash });
  for (const position of await twin.store.snapshotPositions()) {
    const hash = await twin.store.chainHashAt(position);
    expect((await twin.store.loadSnapshot(position))?.pages).toEqual([hash]);
  }
}

function naiveRead(chain: Chain, after: number, { maxBatches, maxBytes }: { maxBatches: number; maxBytes: number }) {
  const rest = chain.batches.filter(({ lastPosition }) => lastPosition > after);
  let count = 0;
  let bytes = 0;
  for (const { frame } of rest) {
    bytes += frame.length;
    if (count === maxBatches || (count > 0 && bytes > maxBytes)) break;
    count++;
  }
  return rest.slice(0, count);
}

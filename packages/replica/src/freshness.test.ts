import { ManualPlatform, type Random, seeds, withSeed } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { CLOCK_DRIFT_MAX_MS, elapsedMs, Freshness } from "./freshness.ts";
import type { ReadIndex } from "./read-gate.ts";

const FILE = "packages/replica/src/freshness.test.ts";
const index = (position: number): ReadIndex => ({
  position,
  epochId: new Uint8Array(16),
  epoch: 1,
  connectedMs: 2_000,
});

function start() {
  const platform = new ManualPlatform();
  return { platform, freshness: new Freshness(platform) };
}

describe("staleness", () => {
  it("is unknown before the first answer, and after one that failed", async () => {
    const { freshness } = start();
    expect(freshness.stalenessMs(100)).toBeUndefined();
    await expect(freshness.probe(() => Promise.reject(new Error("no answer")))).rejects.toThrow("no answer");
    expect(freshness.stalenessMs(100)).toBeUndefined();
    const pending = Promise.withResolvers<ReadIndex>();
    const probe = freshness.probe(() => pending.promise);
    expect(freshness.stalenessMs(100)).toBeUndefined();
    pending.resolve(index(100));
    await probe;
    expect(freshness.stalenessMs(100)).toBe(0);
  });

  it("counts from when the question was sent, not from its answer", async () => {
    const { platform, freshness } = start();
    await freshness.probe(async () => {
      platform.advance(30);
      return index(5);
    });
    platform.advance(12);
    expect(freshness.stalenessMs(5)).toBe(42);
  });

  it("counts an answer only once its position is applied", async () => {
    const { platform, freshness } = start();
    await freshness.probe(async () => index(5));
    platform.advance(100);
    await freshness.probe(async () => index(9));
    platform.advance(10);
    expect(freshness.stalenessMs(4)).toBeUndefined();
    expect(freshness.stalenessMs(5)).toBe(110);
    expect(freshness.stalenessMs(8)).toBe(110);
    platform.advance(5);
    expect(freshness.stalenessMs(9)).toBe(15);
  });

  it("takes the newest of several answers, in whatever order they come", async () => {
    const { platform, freshness } = start();
    const slow = Promise.withResolvers<ReadIndex>();
    const first = freshness.probe(() => slow.promise);
    platform.advance(50);
    await freshness.probe(async () => index(5));
    platform.advance(7);
    expect(freshness.stalenessMs(5)).toBe(7);
    slow.resolve(index(4));
    await first;
    expect(freshness.stalenessMs(5)).toBe(7);
  });

  it("keeps few answers, the newest, however far behind it is", async () => {
    const { platform, freshness } = start();
    for (let i = 1; i <= 1_000; i++) {
      await freshness.probe(async () => index(i));
      platform.advance(1);
    }
    expect(freshness.stalenessMs(900)).toBeUndefined();
    expect(freshness.stalenessMs(1_000)).toBe(1);
  });

  it("is unknown after a sleep, in which one clock stood still, until the next answer", async () => {
    const { platform, freshness } = start();
    await freshness.probe(async () => index(5));
    platform.advance(10);
    platform.setWallForward(CLOCK_DRIFT_MAX_MS + 1);
    expect(freshness.stalenessMs(5)).toBeUndefined();
    platform.advance(10);
    expect(freshness.stalenessMs(5)).toBeUndefined();
    await freshness.probe(async () => index(5));
    platform.advance(3);
    expect(freshness.stalenessMs(5)).toBe(3);
  });

  it("is unknown also for a question that was under way in a sleep", async () => {
    const { platform, freshness } = start();
    await freshness.probe(async () => {
      platform.setWallForward(60_000);
      return index(5);
    });
    expect(freshness.stalenessMs(5)).toBeUndefined();
  });

  it("is by the clock that says more where they differ by little", () => {
    const at = (monotonicMs: number, wallMs: number) => ({ monotonicMs, wallMs });
    expect(elapsedMs(at(0, 0), at(10, 25))).toBe(25);
    expect(elapsedMs(at(0, 0), at(25, 10))).toBe(25);
    expect(elapsedMs(at(0, 0), at(5_000, 0))).toBeUndefined();
    expect(elapsedMs(at(0, 0), at(0, 5_000))).toBeUndefined();
  });

  it.each(seeds(5))("is never smaller than the truth (seed %d)", async (seed) => {
    await withSeed(seed, FILE, async (random: Random) => {
      const { platform, freshness } = start();
      // When the bank committed each position, by a clock that nobody else sees.
      const committedAt = [0];
      let truth = 0;
      let applied = 0;
      let known = 0;
      const pass = (ms: number) => {
        truth += ms;
        // Now and then the machine sleeps: its monotonic clock stands still.
        if (random.chance(5)) platform.setWallForward(ms);
        else platform.advance(ms);
      };
      for (let i = 0; i < 400; i++) {
        pass(random.below(400));
        for (let n = random.below(3); n > 0; n--) committedAt.push(truth);
        if (random.chance(50)) applied = Math.min(committedAt.length - 1, applied + random.below(4));
        if (random.chance(40))
          await freshness.probe(async () => {
            pass(random.below(50));
            const answer = index(committedAt.length - 1);
            pass(random.below(50));
            return answer;
          });
        const staleness = freshness.stalenessMs(applied);
        if (staleness === undefined) continue;
        known++;
        // The oldest record that is committed and not shown says how old the shown state is.
        const missing = committedAt[applied + 1];
        if (missing !== undefined) expect(staleness).toBeGreaterThanOrEqual(truth - missing);
      }
      expect(known).toBeGreaterThan(20);
    });
  });
});

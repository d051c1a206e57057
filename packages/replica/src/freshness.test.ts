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

const EPOCH = { number: 1, id: new Uint8Array(16), firstPosition: 1, lossAccepted: false };
const stalenessAt = (freshness: Freshness, position: number) => freshness.stalenessMs({ position, epochs: [EPOCH] });

function start() {
  const platform = new ManualPlatform();
  return { platform, freshness: new Freshness(platform) };
}

describe("staleness", () => {
  it("is unknown before the first answer, and after one that failed", async () => {
    const { freshness } = start();
    expect(stalenessAt(freshness, 100)).toBeUndefined();
    await expect(freshness.probe(() => Promise.reject(new Error("no answer")))).rejects.toThrow("no answer");
    expect(stalenessAt(freshness, 100)).toBeUndefined();
    const pending = Promise.withResolvers<ReadIndex>();
    const probe = freshness.probe(() => pending.promise);
    expect(stalenessAt(freshness, 100)).toBeUndefined();
    pending.resolve(index(100));
    await probe;
    expect(stalenessAt(freshness, 100)).toBe(0);
  });

  it("counts from when the question was sent, not from its answer", async () => {
    const { platform, freshness } = start();
    await freshness.probe(async () => {
      platform.advance(30);
      return index(5);
    });
    platform.advance(12);
    expect(stalenessAt(freshness, 5)).toBe(42);
  });

  it("counts an answer only once its position is applied", async () => {
    const { platform, freshness } = start();
    await freshness.probe(async () => index(5));
    platform.advance(100);
    await freshness.probe(async () => index(9));
    platform.advance(10);
    expect(stalenessAt(freshness, 4)).toBeUndefined();
    expect(stalenessAt(freshness, 5)).toBe(110);
    expect(stalenessAt(freshness, 8)).toBe(110);
    platform.advance(5);
    expect(stalenessAt(freshness, 9)).toBe(15);
  });

  it("takes the newest of several answers, in whatever order they come", async () => {
    const { platform, freshness } = start();
    const slow = Promise.withResolvers<ReadIndex>();
    const first = freshness.probe(() => slow.promise);
    platform.advance(50);
    await freshness.probe(async () => index(5));
    platform.advance(7);
    expect(stalenessAt(freshness, 5)).toBe(7);
    slow.resolve(index(4));
    await first;
    expect(stalenessAt(freshness, 5)).toBe(7);
  });

  it("keeps few answers, the oldest, the newest and some between, however far behind it is", async () => {
    const { platform, freshness } = start();
    for (let i = 1; i <= 1_000; i++) {
      await freshness.probe(async () => index(i));
      platform.advance(1);
    }
    // 1,000 ms behind, it still learns a little with each step.
    const staleness = [1, 250, 500, 750, 1_000].map((position) => stalenessAt(freshness, position));
    expect(staleness[0]).toBe(1_000);
    expect(staleness[4]).toBe(1);
    for (const [i, ms] of staleness.entries()) expect(ms).toBeLessThanOrEqual(staleness[i - 1] ?? 1_000);
  });

  it("does not grow where every answer is applied late, but is applied", async () => {
    const { platform, freshness } = start();
    // A question every millisecond, each answer shown 100 ms later.
    for (let i = 1; i <= 2_000; i++) {
      await freshness.probe(async () => index(i));
      platform.advance(1);
      if (i > 300) expect(stalenessAt(freshness, i - 100)).toBeLessThanOrEqual(130);
    }
  });

  it("counts only what was answered from this very history", async () => {
    const { platform, freshness } = start();
    await freshness.probe(async () => index(5));
    platform.advance(10);
    // A bank that lost records and began anew answers with a lower position, of an epoch that nobody here knows.
    await freshness.probe(async () => ({ ...index(4), epochId: new Uint8Array(16).fill(9) }));
    platform.advance(10);
    expect(stalenessAt(freshness, 5)).toBe(20);
  });

  it("is unknown after a sleep, in which one clock stood still, until the next answer", async () => {
    const { platform, freshness } = start();
    await freshness.probe(async () => index(5));
    platform.advance(10);
    platform.setWallForward(CLOCK_DRIFT_MAX_MS + 1);
    expect(stalenessAt(freshness, 5)).toBeUndefined();
    platform.advance(10);
    expect(stalenessAt(freshness, 5)).toBeUndefined();
    await freshness.probe(async () => index(5));
    platform.advance(3);
    expect(stalenessAt(freshness, 5)).toBe(3);
  });

  it("is unknown also for a question that was under way in a sleep", async () => {
    const { platform, freshness } = start();
    await freshness.probe(async () => {
      platform.setWallForward(60_000);
      return index(5);
    });
    expect(stalenessAt(freshness, 5)).toBeUndefined();
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
        const staleness = stalenessAt(freshness, applied);
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

describe("a branch is connected", () => {
  it("once it shows what was committed when it joined, and until the bank may have dropped it", async () => {
    const { platform, freshness } = start();
    expect(freshness.isConnected(0)).toBe(false);
    await freshness.probe(async () => index(5));
    expect(freshness.isConnected(4)).toBe(false);
    expect(freshness.isConnected(5)).toBe(true);
    platform.advance(1_999);
    expect(freshness.isConnected(5)).toBe(true);
    platform.advance(1);
    expect(freshness.isConnected(5)).toBe(false);
  });

  it("without having shown what was committed later, for whoever wrote that waits for it", async () => {
    const { platform, freshness } = start();
    await freshness.probe(async () => index(5));
    platform.advance(1_500);
    await freshness.probe(async () => index(9));
    platform.advance(1_500);
    expect(freshness.isConnected(5)).toBe(true);
  });

  it("counting from when it sent a question, not from the answer", async () => {
    const { platform, freshness } = start();
    await freshness.probe(async () => {
      platform.advance(1_990);
      return index(5);
    });
    expect(freshness.isConnected(5)).toBe(true);
    platform.advance(10);
    expect(freshness.isConnected(5)).toBe(false);
  });

  it("again only once it shows what was committed when it came back: nobody waited for it meanwhile", async () => {
    const { platform, freshness } = start();
    await freshness.probe(async () => index(5));
    platform.advance(2_000);
    await freshness.probe(async () => index(9));
    expect(freshness.isConnected(8)).toBe(false);
    expect(freshness.isConnected(9)).toBe(true);
  });

  it("again only then also after a sleep, and after an answer that took too long", async () => {
    const { platform, freshness } = start();
    await freshness.probe(async () => index(5));
    platform.setWallForward(CLOCK_DRIFT_MAX_MS + 1);
    expect(freshness.isConnected(5)).toBe(false);
    await freshness.probe(async () => index(7));
    expect(freshness.isConnected(6)).toBe(false);
    // Sent in time, heard too late: the bank had dropped it between.
    await freshness.probe(async () => {
      platform.advance(2_000);
      return index(12);
    });
    expect(freshness.isConnected(12)).toBe(false);
    await freshness.probe(async () => index(13));
    expect(freshness.isConnected(12)).toBe(false);
    expect(freshness.isConnected(13)).toBe(true);
  });

  it("never, to a bank that cannot know of it", async () => {
    const { freshness } = start();
    await freshness.probe(async () => ({ ...index(5), connectedMs: 0 }));
    expect(freshness.isConnected(5)).toBe(false);
  });
});

import { describe, expect, it } from "vitest";
import { ManualPlatform } from "./manual-platform.ts";
import { Random } from "./random.ts";
import { driven, rest, until, watch } from "./waiting.ts";

const never = new AbortController().signal;

describe("time", () => {
  it("stands still until it is moved, on both clocks", () => {
    const platform = new ManualPlatform({ wallMs: 5_000 });
    const before = platform.monotonicMs();
    platform.advance(30);
    expect([platform.wallMs(), platform.monotonicMs() - before]).toEqual([5_030, 30]);
    platform.setWallForward(-100);
    expect([platform.wallMs(), platform.monotonicMs() - before]).toEqual([4_930, 30]);
  });

  it("fires timers when they are due, in their order, each at its own time", async () => {
    const platform = new ManualPlatform();
    const start = platform.monotonicMs();
    const fired: string[] = [];
    const note = (name: string) => () => fired.push(`${name} ${platform.monotonicMs() - start}`);
    platform.timeout(20).addEventListener("abort", note("b"));
    platform.timeout(10).addEventListener("abort", note("a"));
    platform.timeout(20).addEventListener("abort", note("c"));
    platform.timeout(50).addEventListener("abort", note("late"));
    platform.advance(40);
    expect(fired).toEqual(["a 10", "b 20", "c 20"]);
    expect(platform.timerCount).toBe(1);
    expect(platform.advanceToNextTimer()).toBe(true);
    expect(fired.at(-1)).toBe("late 50");
    expect(platform.advanceToNextTimer()).toBe(false);
  });

  it("ends a delay, unless its signal is faster", async () => {
    const platform = new ManualPlatform();
    const stop = new AbortController();
    const waits = [watch(platform.delay(10, never)), watch(platform.delay(10, stop.signal))];
    stop.abort(new Error("stopped"));
    await rest(1);
    expect(waits.map(({ state }) => state)).toEqual(["pending", "rejected"]);
    platform.advance(10);
    await rest(1);
    expect(waits[0]?.state).toBe("fulfilled");
    await expect(platform.delay(10, stop.signal)).rejects.toThrow("stopped");
    expect(platform.timerCount).toBe(0);
  });

  it("passes by itself for whoever is driven", async () => {
    const platform = new ManualPlatform();
    await driven(platform, platform.delay(1_000_000, never));
    await expect(until(() => false, { what: "what never comes" })).rejects.toThrow("waited in vain: what never comes");
  });
});

it("runs what is deferred in the next turn, or when the test says so", async () => {
  const platform = new ManualPlatform();
  let runs = 0;
  platform.defer(() => runs++);
  expect(runs).toBe(0);
  await rest(1);
  expect(runs).toBe(1);
  platform.holdsDeferred = true;
  platform.defer(() => runs++);
  await rest();
  expect(runs).toBe(1);
  platform.runDeferred();
  expect(runs).toBe(2);
});

it("gives the same random numbers for the same seed, and others for another", () => {
  const numbers = (seed: number) => {
    const platform = new ManualPlatform({ seed });
    return [...platform.randomBytes(16), platform.random()];
  };
  expect(numbers(1)).toEqual(numbers(1));
  expect(numbers(1)).not.toEqual(numbers(2));
  const random = new Random(3);
  const counts = Array<number>(10).fill(0);
  for (let i = 0; i < 10_000; i++) counts[random.below(10)]!++;
  for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(150);
});

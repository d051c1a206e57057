import { ManualPlatform, rest, watch } from "@bank/testkit";
import { expect, it, vi } from "vitest";
import { Backoff } from "./backoff.ts";

/** Waits that were asked for, with this jitter. */
function waitsOf(random: number, count: number, after: (backoff: Backoff, i: number) => void = () => undefined) {
  const waits: number[] = [];
  const platform = {
    random: () => random,
    delay: async (ms: number) => {
      waits.push(ms);
    },
  };
  const backoff = new Backoff(platform, { minMs: 20, maxMs: 1_000 });
  for (let i = 0; i < count; i++) {
    void backoff.wait(new AbortController().signal);
    after(backoff, i);
  }
  return waits;
}

it("doubles its waits up to a maximum", () => {
  expect(waitsOf(0, 8)).toEqual([20, 40, 80, 160, 320, 640, 1_000, 1_000]);
});

it("takes up to a half away at random", () => {
  expect(waitsOf(0.5, 3)).toEqual([15, 30, 60]);
  const [first] = waitsOf(0.999_999, 1);
  expect(first).toBeGreaterThan(10);
  expect(first).toBeLessThan(10.01);
});

it("begins anew when it is reset", () => {
  expect(waitsOf(0, 5, (backoff, i) => i === 2 && backoff.reset())).toEqual([20, 40, 80, 20, 40]);
});

it("ends with the time, or with the signal's reason", async () => {
  const platform = new ManualPlatform();
  vi.spyOn(platform, "random").mockReturnValue(0);
  const backoff = new Backoff(platform, { minMs: 20, maxMs: 1_000 });
  const first = watch(backoff.wait(new AbortController().signal));
  platform.advance(19);
  await rest(1);
  expect(first.state).toBe("pending");
  platform.advance(1);
  await rest(1);
  expect(first.state).toBe("fulfilled");
  const stop = new AbortController();
  const second = watch(backoff.wait(stop.signal));
  stop.abort(new Error("closing"));
  await rest(1);
  expect(second.reason).toEqual(new Error("closing"));
  expect(platform.timerCount).toBe(0);
});

import { describe, expect, it } from "vitest";
import { isResolved, LatencyLog, median, quantile } from "./quantile.ts";

describe("quantiles", () => {
  it("are values that occurred, by nearest rank", () => {
    const values = Array.from({ length: 100 }, (_, i) => i + 1);
    expect(quantile(values, 0.5)).toBe(50);
    expect(quantile(values, 0.99)).toBe(99);
    expect(quantile(values, 0.999)).toBe(100);
  });

  it("of few values are the largest, and of none zero", () => {
    expect(quantile([7], 0.5)).toBe(7);
    expect(quantile([7], 0.999)).toBe(7);
    expect(quantile([1, 2, 3], 0.99)).toBe(3);
    expect(quantile([], 0.5)).toBe(0);
  });

  it("say something besides the largest once there are enough values", () => {
    expect(isResolved(999, 0.999)).toBe(false);
    expect(isResolved(1_000, 0.999)).toBe(true);
    expect(isResolved(99, 0.99)).toBe(false);
    expect(isResolved(100, 0.99)).toBe(true);
  });

  it("takes the lower one of two middle values", () => {
    expect(median([4, 1, 3, 2])).toBe(2);
    expect(median([5, 9, 7])).toBe(7);
  });
});

describe("a log of latencies", () => {
  it("grows, sorts, and begins anew once taken", () => {
    const log = new LatencyLog();
    for (let i = 3_000; i >= 1; i--) log.add(i);
    expect(log.take()).toEqual({ calls: 3_000, p50Ms: 1_500, p99Ms: 2_970, p999Ms: 2_997, maxMs: 3_000 });
    log.add(4);
    expect(log.take()).toEqual({ calls: 1, p50Ms: 4, p99Ms: 4, p999Ms: 4, maxMs: 4 });
    expect(log.take()).toEqual({ calls: 0, p50Ms: 0, p99Ms: 0, p999Ms: 0, maxMs: 0 });
  });
});

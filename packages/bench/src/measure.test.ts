import { afterEach, describe, expect, it, vi } from "vitest";
import { measure, measureBlocking, measureBlocks, quantile } from "./measure.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

describe("measuring", () => {
  it("keeps as many calls in flight as asked, and no more", async () => {
    let inFlight = 0;
    let highest = 0;
    const result = await measure({
      inFlight: 3,
      durationMs: 20,
      operationsPerCall: 5,
      call: async () => {
        highest = Math.max(highest, ++inFlight);
        await new Promise(setImmediate);
        inFlight--;
      },
    });
    expect(highest).toBe(3);
    expect(result.operations % 5).toBe(0);
    expect(result.operations).toBeGreaterThan(0);
  });

  it("counts every blocking operation", () => {
    let calls = 0;
    const result = measureBlocking(5, () => {
      calls++;
    });
    expect(result.operations).toBe(calls);
  });

  it("counts the operations of each block, and not the time for preparing it", () => {
    let nowMs = 1_000;
    vi.spyOn(performance, "now").mockImplementation(() => nowMs);
    const ran: number[] = [];
    let blocks = 0;
    const block = {
      operations: 7,
      prepare: () => {
        nowMs += 3;
        return ++blocks;
      },
      run: (prepared: number) => {
        nowMs += 2;
        ran.push(prepared);
      },
    };
    expect(measureBlocks(11, block)).toEqual({ operationsPerSecond: 3_500, p50Ms: 2, p99Ms: 2, operations: 21 });
    expect(ran).toEqual([1, 2, 3]);
    expect(measureBlocks(0, block).operations).toBe(7);
  });

  it("takes quantiles of sorted values", () => {
    const values = Array.from({ length: 100 }, (_, i) => i + 1);
    expect(quantile(values, 0.5)).toBe(51);
    expect(quantile(values, 0.99)).toBe(100);
    expect(quantile([], 0.5)).toBe(0);
  });
});

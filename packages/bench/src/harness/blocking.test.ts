import { afterEach, describe, expect, it, vi } from "vitest";
import { measureBlocking, measureBlocks } from "./blocking.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

describe("measuring what blocks", () => {
  it("counts every operation", () => {
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
    expect(measureBlocks(11, block)).toEqual({
      operationsPerSecond: 3_500,
      operations: 21,
      latencies: { calls: 3, p50Ms: 2, p99Ms: 2, p999Ms: 2, maxMs: 2 },
    });
    expect(ran).toEqual([1, 2, 3]);
    expect(measureBlocks(0, block).operations).toBe(7);
  });
});

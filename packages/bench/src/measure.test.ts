import { describe, expect, it } from "vitest";
import { measure, measureBlocking, quantile } from "./measure.ts";

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

  it("takes quantiles of sorted values", () => {
    const values = Array.from({ length: 100 }, (_, i) => i + 1);
    expect(quantile(values, 0.5)).toBe(51);
    expect(quantile(values, 0.99)).toBe(100);
    expect(quantile([], 0.5)).toBe(0);
  });
});

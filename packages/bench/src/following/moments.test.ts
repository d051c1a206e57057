import { describe, expect, it } from "vitest";
import { lagsMs } from "./moments.ts";

const moments = (...noted: readonly [position: number, atMs: number][]) => ({
  positions: noted.map(([position]) => position),
  atMs: noted.map(([, atMs]) => atMs),
});

describe("the lag of a branch", () => {
  it("is counted from the commit of a batch to the first moment at which the branch shows it", () => {
    const bank = moments([3, 10], [5, 12], [9, 20]);
    expect(lagsMs(bank, moments([3, 11], [5, 15], [9, 21]))).toEqual([1, 3, 1]);
  });

  it("ends for several batches when the last of them is shown", () => {
    const bank = moments([3, 10], [5, 12], [9, 20]);
    expect(lagsMs(bank, moments([9, 25]))).toEqual([15, 13, 5]);
  });

  it("has no end for a batch that was never shown", () => {
    expect(lagsMs(moments([3, 10], [5, 12]), moments([4, 11]))).toEqual([1, Number.POSITIVE_INFINITY]);
  });
});

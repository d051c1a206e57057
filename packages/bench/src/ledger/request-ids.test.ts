import { describe, expect, it } from "vitest";
import { measureRequestIds } from "./request-ids.ts";

describe("measuring request ids", () => {
  for (const kind of ["random", "time-ordered"] as const) {
    it(`fills up to each size with ${kind} ids and measures there`, () => {
      const figures = measureRequestIds(kind, [120_000, 330_000]);
      expect(figures.map(({ ids }) => ids)).toEqual([120_000, 330_000]);
      for (const { newNs, hitNs, missNs, depositNs, worstInsertMs } of figures)
        for (const figure of [newNs, hitNs, missNs, depositNs, worstInsertMs]) expect(figure).toBeGreaterThan(0);
      // An entry takes 36 bytes and some in the index, so it is the memory of the table that was measured.
      expect(figures[1]?.bytesPerId).toBeGreaterThan(40);
      expect(figures[1]?.bytesPerId).toBeLessThan(50);
    });
  }
});

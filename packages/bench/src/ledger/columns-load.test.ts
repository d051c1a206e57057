import { describe, expect, it } from "vitest";
import { COLUMN_ROWS, ColumnsLoad } from "./columns-load.ts";

describe("the load of columns", () => {
  it.each(["uniform", "zipfian", "hot"] as const)("is carried out and applied, all of it: %s", (distribution) => {
    const load = new ColumnsLoad(10, distribution);
    expect(load.execute(load.orders()).length).toBe(COLUMN_ROWS);
    load.commit();
    const taken = load.notYetApplied();
    expect(taken.length).toBe(COLUMN_ROWS);
    load.apply(taken);
    // Applied, their request ids are known: the same again is refused.
    expect(() => load.apply(taken)).toThrow();
  });
});

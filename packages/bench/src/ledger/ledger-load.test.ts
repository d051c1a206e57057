import { totals } from "@bank/core";
import { describe, expect, it } from "vitest";
import { LedgerLoad, WORKLOADS } from "./ledger-load.ts";

describe("the load on a ledger", () => {
  for (const { name, operations, prepare } of WORKLOADS) {
    it(`carries out what it counts: ${name}`, () => {
      const load = new LedgerLoad();
      const before = load.ledger.position;
      for (let block = 0; block < 3; block++) {
        const records = load.execute(prepare(load));
        expect(records).toBeGreaterThanOrEqual(operations);
        expect(load.rejections()).toBe(name.includes("rejected") ? operations : 0);
      }
      expect(load.ledger.position).toBeGreaterThanOrEqual(before + 3 * operations);
      expect([...totals(load.ledger).values()]).toEqual([0n]);
    });
  }
});

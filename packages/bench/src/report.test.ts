import { describe, expect, it } from "vitest";
import { idTable, median, resultRecord, table } from "./report.ts";
import type { RequestIdFigures } from "./request-ids.ts";
import type { Row } from "./rows.ts";

const row: Row = {
  name: "unary Deposit",
  unit: "deposits",
  durable: true,
  batch: 1,
  inFlight: 64,
  run: () => Promise.reject(new Error("not run")),
};
const FIGURES: RequestIdFigures = {
  kind: "random",
  ids: 1_000_000,
  newNs: 0,
  hitNs: 2,
  missNs: 1,
  depositNs: 3,
  worstInsertMs: 0,
  bytesPerId: 44.26,
};
const round = (operationsPerSecond: number) => ({ operationsPerSecond, p50Ms: 1.5, p99Ms: 9, operations: 10 });

describe("the report", () => {
  it("gives median and spread of the rounds", () => {
    const record = resultRecord({ row, rounds: [round(3_000), round(1_000), round(2_000)] });
    expect(record.perSecond).toEqual({ min: 1_000, median: 2_000, max: 3_000 });
    expect(median([4, 1, 3, 2])).toBe(2);
  });

  it("prints one aligned line for each row", () => {
    const lines = table([{ row, rounds: [round(12_345_678)] }]).split("\n");
    expect(lines).toHaveLength(2);
    expect(lines[1]).toContain("12,345,678 deposits");
    expect(lines[0]?.length).toBe(lines[1]?.length);
  });

  it("prints medians of what request ids cost, and the least and the worst of the slowest inserts", () => {
    const figures = (newNs: number, worstInsertMs: number) => [{ ...FIGURES, newNs, worstInsertMs }];
    const lines = idTable([figures(700, 0.4), figures(900, 3), figures(800, 0.5)]).split("\n");
    expect(lines).toHaveLength(2);
    expect(lines[1]?.split(/ {2,}/)).toEqual(["random", "1,000,000", "800", "2", "1", "3", "0.40 … 3.00", "44.3"]);
    expect(lines[0]?.length).toBe(lines[1]?.length);
  });
});

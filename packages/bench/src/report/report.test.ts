import { describe, expect, it } from "vitest";
import { aligned, short, whole } from "./numbers.ts";
import { type Measurement, type RowFacts, SuiteReport } from "./result.ts";
import { describeSuite, suiteRecord, targetLines } from "./table.ts";

const FACTS: RowFacts = {
  name: "unary Deposit",
  unit: "deposits",
  durable: true,
  checked: true,
  batch: 1,
  inFlight: 64,
  accounts: 1_000_000,
  distribution: "zipfian",
};
const PEER: RowFacts = { ...FACTS, server: "a peer with a name", durable: false };

function round(operationsPerSecond: number, calls = 10): Measurement {
  const latencies = { calls, p50Ms: 1.5, p99Ms: 9, p999Ms: 12, maxMs: 13 };
  return { operationsPerSecond, operations: 10, latencies, serverUs: 27.25, serverMainUs: 25, loadUs: 30 };
}

describe("a report", () => {
  it("compares rows round by round, and says median and spread", () => {
    const report = new SuiteReport("unary", "one call for each");
    for (const [own, peer] of [
      [300, 100],
      [100, 100],
      [800, 400],
    ] as const) {
      report.add(FACTS, round(own));
      report.add(PEER, round(peer));
    }
    expect(report.results).toHaveLength(2);
    expect(report.compare("own / peer", [FACTS, PEER])).toEqual({ median: 2, min: 1, max: 3 });
    expect(report.compare("own / nobody", [FACTS, { ...PEER, inFlight: 1 }])).toBeUndefined();
    expect(describeSuite(report, { withTargets: true })).toContain("own / peer  × 2.00 (1.00 … 3.00)");
  });

  it("says whether a target is met, and when it cannot be known", () => {
    const report = new SuiteReport("unary", "");
    const ratio = { median: 2.4, min: 2, max: 3 };
    report.target("quick", ratio, { atLeast: 2.5 }, String);
    report.target("light", ratio, { atMost: 2.5 }, String);
    report.target("unseen", undefined, { atMost: 1 }, String);
    expect(report.targets.map(({ met }) => met)).toEqual([false, true, "unknown"]);
    expect(targetLines([report])).toEqual([
      "NOT MET  quick   measured 2.4 (2 … 3)",
      "MET      light   measured 2.4 (2 … 3)",
      "UNKNOWN  unseen  measured not measured in this run",
    ]);
  });

  it("says why a target was missed, and nothing where it was met", () => {
    const report = new SuiteReport("unary", "");
    const ratio = { median: 2.4, min: 2, max: 3 };
    const reason = `${"long ".repeat(40)}end.`;
    report.target("quick", ratio, { atLeast: 2.5 }, String, reason);
    report.target("light", ratio, { atMost: 2.5 }, String, "never told");
    report.target("unseen", undefined, { atMost: 1 }, String, "never told");
    const indent = " ".repeat(9);
    expect(targetLines([report], { withReasons: true })).toEqual([
      "NOT MET  quick   measured 2.4 (2 … 3)",
      indent + "long ".repeat(30).trim(),
      `${indent}${"long ".repeat(10)}end.`,
      "MET      light   measured 2.4 (2 … 3)",
      "UNKNOWN  unseen  measured not measured in this run",
    ]);
    expect(suiteRecord(report).targets.map((target) => target.reason)).toEqual([reason, undefined, undefined]);
    expect(describeSuite(report, { withTargets: true })).not.toContain("long");
  });

  it("fits into 160 columns, and marks quantiles of too few calls", () => {
    const report = new SuiteReport("unary", "");
    report.add({ ...FACTS, name: "ExecuteMovements, an id each" }, round(1_234_567, 999));
    report.add(PEER, { ...round(0.5, 1_000), more: { "lag p99 ms": 12.345 } });
    const lines = describeSuite(report, { withTargets: true }).split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(160);
    expect(lines[3]).toMatch(/1,234,567 +1.23M … 1.23M +1.50 +9.00 +≤12.0 +27.3 +25.0 +30.0$/);
    expect(lines[4]).toMatch(/NO +yes .* 9.00 +12.0 +27.3 +25.0 +30.0$/);
    expect(lines[5]).toBe("    lag p99 ms 12.3 (12.3 … 12.3)");
  });

  it("says loudly what is missing and what failed", () => {
    const report = new SuiteReport("peers", "others");
    report.miss("no redis-server");
    report.miss("no redis-server");
    report.failures.push("the audit");
    expect(
      describeSuite(report, { withTargets: true })
        .split("\n")
        .filter((line) => line !== ""),
    ).toEqual(["== peers: others", "MISSING: no redis-server", "FAILED: the audit"]);
  });
});

describe("numbers", () => {
  it("have the digits that count", () => {
    expect([0, 0.0123, 0.5, 1, 9.994, 12.34, 99.96, 1_234.5, Number.POSITIVE_INFINITY].map(short)).toEqual([
      "0",
      "0.012",
      "0.500",
      "1.00",
      "9.99",
      "12.3",
      "100",
      "1,235",
      "∞",
    ]);
    expect(whole(1_234_567.4)).toBe("1,234,567");
    expect(
      aligned(
        [
          ["a", "b"],
          ["cc", "10"],
        ],
        1,
      ),
    ).toEqual(["a    b", "cc  10"]);
  });
});

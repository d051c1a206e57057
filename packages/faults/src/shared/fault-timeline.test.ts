import type { Operation, WriteOutcome } from "@bank/checker";
import { describe, expect, it } from "vitest";
import { distributionsOf, FaultTimeline, gapsOf, renderDistributions, type TimedFault } from "./fault-timeline.ts";

const DONE: WriteOutcome = { status: "ok", position: 1 };

function write(
  server: string | undefined,
  invokeMs: number,
  returnMs: number,
  outcome: WriteOutcome = DONE,
): Operation {
  const request = `${server} ${invokeMs}`;
  return { client: "c", server, invokeMs, returnMs, request, kind: "deposit", account: "1", amount: 1n, outcome };
}

function fault(beganMs: number, endedMs: number | undefined, more: Partial<TimedFault> = {}): TimedFault {
  return {
    kind: "kill leader",
    whom: "bank-1",
    beganMs,
    endedMs,
    countsFrom: "begin",
    otherLeadsMs: undefined,
    ...more,
  };
}

it("notes when another bank server led first behind a fault of which it can take over", () => {
  const timeline = new FaultTimeline();
  timeline.sawLeading("bank-1");
  const hit = timeline.begin({ kind: "kill leader", whom: "bank-1", countsFrom: "begin" });
  timeline.sawLeading("bank-1");
  expect(hit.otherLeadsMs).toBeUndefined();
  timeline.sawLeading("bank-2");
  const firstMs = hit.otherLeadsMs;
  timeline.sawLeading("bank-3");
  expect(hit.otherLeadsMs).toBe(firstMs);
  expect(gapsOf(timeline.faults, [])[0]?.takeOverMs).toBeGreaterThanOrEqual(0);
});

describe("the gap behind a fault", () => {
  it("lasts until the first answer of a write that was sent through a branch since", () => {
    const operations = [
      write("branch-1", 90, 150),
      write("bank-2", 110, 120),
      write(undefined, 110, 130),
      write("branch-2", 120, 190, { status: "unknown" }),
      write("branch-1", 130, 400),
      write("branch-3", 200, 350, { status: "rejected", reason: "INSUFFICIENT_FUNDS" }),
    ];
    expect(gapsOf([fault(100, 900)], operations)).toMatchObject([
      { kind: "kill leader", whom: "bank-1", gapMs: 250, everywhereMs: undefined },
    ]);
    const last = write("branch-2", 300, 600);
    expect(gapsOf([fault(100, 900)], [...operations, last])).toMatchObject([{ gapMs: 250, everywhereMs: 500 }]);
  });

  it("begins at the end of a fault that nobody can take over from", () => {
    const operations = [write("branch-1", 120, 500), write("branch-1", 520, 560)];
    const faults = [fault(100, 510, { countsFrom: "end" }), fault(100, undefined, { countsFrom: "end" })];
    expect(gapsOf(faults, operations).map(({ gapMs }) => gapMs)).toEqual([50, undefined]);
  });

  it("is unknown where no write went on", () => {
    expect(gapsOf([fault(100, 200)], [write("branch-1", 90, 110)])).toMatchObject([{ gapMs: undefined }]);
  });
});

it("spreads gaps by kind, and those together behind which another led", () => {
  const gap = (kind: string, gapMs: number | undefined, countsFrom: TimedFault["countsFrom"] = "begin") => ({
    ...{ kind, gapMs, countsFrom, takeOverMs: kind === "pause leader" ? 5 : undefined },
    ...{ whom: "bank-1", everywhereMs: gapMs === undefined ? undefined : gapMs + 1 },
  });
  const tens = Array.from({ length: 10 }, (_, i) => gap("kill leader", 10 * (i + 1)));
  const distributions = distributionsOf([
    ...tens,
    gap("pause leader", 7.4),
    gap("pause leader", undefined),
    gap("database: kill", 3, "end"),
  ]);
  expect(distributions).toEqual([
    { kind: "database: kill", n: 1, p50: 3, p90: 3, max: 3 },
    { kind: "kill leader", n: 10, p50: 50, p90: 90, max: 100 },
    { kind: "pause leader", n: 1, p50: 7, p90: 7, max: 7 },
    { kind: "all behind which another led", n: 1, p50: 7, p90: 7, max: 7 },
    { kind: "  until it led", n: 2, p50: 5, p90: 5, max: 5 },
    { kind: "  until every branch had done a write", n: 1, p50: 8, p90: 8, max: 8 },
  ]);
  expect(renderDistributions(distributions)).toHaveLength(7);
});

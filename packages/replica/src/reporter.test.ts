import { rest } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { Reporter } from "./reporter.ts";

/** A copy whose progress a test sets, and what it has told of it: the durable and the applied position. */
function startReporter(options: { readonly counts?: boolean } = {}) {
  const told: (readonly [number, number])[] = [];
  const at = { durable: 0, applied: 0, isCounted: () => options.counts ?? false };
  let arrived = Promise.withResolvers<void>();
  const reporter = new Reporter(at, () => {
    told.push([at.durable, at.applied]);
    return arrived.promise;
  });
  return {
    reporter,
    told,
    /** The report on its way arrives, or is lost. */
    arrive: (error?: Error) => {
      const { resolve, reject } = arrived;
      arrived = Promise.withResolvers();
      if (error === undefined) resolve();
      else reject(error);
      return rest();
    },
    move: (durable: number, applied: number) => {
      Object.assign(at, { durable, applied });
      reporter.look();
      return rest();
    },
    hear: (reportPosition: number, echo = 0) => {
      reporter.hear({ committedPosition: 0, reportPosition, echo });
      return rest();
    },
  };
}

describe("a copy", () => {
  it("says nothing while nobody waits", async () => {
    const { told, move, hear } = startReporter();
    await hear(0);
    await move(5, 5);
    await move(9, 7);
    expect(told).toEqual([]);
  });

  it("says at once that it has what somebody waits for, and again when it shows that", async () => {
    const { told, move, hear, arrive } = startReporter();
    await move(5, 5);
    await hear(7);
    await move(6, 6);
    expect(told).toEqual([]);
    await move(7, 6);
    await arrive();
    await move(8, 6);
    await move(8, 7);
    expect(told).toEqual([
      [7, 6],
      [8, 7],
    ]);
    await arrive();
    await hear(8);
    expect(told).toHaveLength(2);
    await move(8, 8);
    await move(9, 9);
    expect(told.slice(2)).toEqual([[8, 8]]);
  });

  it("says it once where it shows that before it is on its disk", async () => {
    const { told, move, hear, arrive } = startReporter();
    await hear(3);
    await move(2, 3);
    await move(3, 3);
    await arrive();
    await move(3, 4);
    expect(told).toEqual([[3, 3]]);
  });

  it("tells what happens meanwhile together, once the report before has ended, however it ended", async () => {
    const { told, move, hear, arrive } = startReporter();
    await hear(1);
    await move(1, 1);
    await hear(2);
    await move(2, 2);
    await hear(3);
    await move(3, 3);
    expect(told).toEqual([[1, 1]]);
    await arrive(new Error("the link broke"));
    expect(told.slice(1)).toEqual([[3, 3]]);
  });

  it("that counts says at once what it has saved and nobody has committed, and tells echoes back; others do not", async () => {
    const counted = startReporter({ counts: true });
    await counted.move(5, 4);
    await counted.arrive();
    await counted.move(5, 5);
    await counted.hear(0, 1);
    await counted.arrive();
    await counted.hear(0, 1);
    expect(counted.told).toEqual([
      [5, 4],
      [5, 5],
    ]);
    const other = startReporter();
    await other.move(5, 4);
    await other.hear(0, 1);
    expect(other.told).toEqual([]);
  });
});

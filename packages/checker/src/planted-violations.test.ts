import { seeds, withSeed } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { checkHistory, type Report } from "./check-history.ts";
import { GUARANTEES, type Guarantee } from "./guarantees.ts";
import { type History, isRead } from "./history.ts";
import { Planter } from "./planter.test-util.ts";
import { PLANTS } from "./plants.test-util.ts";
import { renderReport } from "./render-report.ts";
import { Simulation } from "./simulation.test-util.ts";

const FILE = "packages/checker/src/planted-violations.test.ts";

function violatedIn({ violations }: Report): readonly Guarantee[] {
  return [...new Set(violations.map(({ guarantee }) => guarantee))];
}

describe("one accident in the middle of a good history", () => {
  const cases = PLANTS.flatMap((plant) =>
    seeds(2).map((seed) => ({ ...plant, seed, says: plant.violates ?? "right" })),
  );

  it.each(cases)("$name: $says, seed $seed", ({ alsoViolates, isLast, put, seed, violates }) =>
    withSeed(seed, FILE, async (random) => {
      const sim = new Simulation(random).run(150);
      put(new Planter(sim));
      if (!isLast) sim.run(150);
      const report = checkHistory(sim.history);
      const violated = violatedIn(report);
      const text = renderReport(report).join("\n");
      if (violates === undefined) expect(violated, text).toEqual([]);
      else expect(violated, text).toContain(violates);
      expect(
        violated.filter((guarantee) => guarantee !== violates && !alsoViolates.includes(guarantee)),
        text,
      ).toEqual([]);
      // In which order the operations stand says nothing.
      const shuffled = sim.operations.map((operation) => ({ operation, at: random.word() }));
      shuffled.sort((a, b) => a.at - b.at);
      const again = checkHistory({ ...sim.history, operations: shuffled.map(({ operation }) => operation) });
      expect(again.statistics.violationsOf).toEqual(report.statistics.violationsOf);
      // The operations that it names are the planted ones, and not what stands around them.
      for (const { guarantee, operations } of report.violations)
        if (guarantee === violates && operations.length > 0) expect(operations[0]?.client, text).toMatch(/^planted/);
    }),
  );

  it("covers every guarantee that the journal's order can show", () => {
    const planted = new Set(PLANTS.map(({ violates }) => violates));
    const missing = Object.keys(GUARANTEES).filter((guarantee) => !planted.has(guarantee as Guarantee));
    expect(missing).toEqual(["linearizable"]);
  });
});

describe("a history without journal and with positions that mean nothing", () => {
  /** What the clients saw, without a word of where it stood. */
  function blindfolded({ operations, ...rest }: History): History {
    return {
      ...rest,
      about: { ...rest.about, hasJournal: false },
      records: [],
      operations: operations
        .filter((operation) => !isRead(operation) || operation.consistency.mode === "linearizable")
        .map((operation) => {
          const { outcome } = operation;
          const blind =
            outcome.status === "ok" || outcome.status === "rejected" ? { ...outcome, position: 0 } : outcome;
          return { ...operation, session: undefined, outcome: blind } as typeof operation;
        }),
    };
  }

  it.each(seeds(3))("is told right where it is, and wrong where one balance is, seed %i", (seed) =>
    withSeed(seed, FILE, async (random) => {
      const { history } = new Simulation(random, { clients: 4, unknownPercent: 1 }).run(300);
      const blind = blindfolded(history);
      const good = checkHistory(blind);
      expect(violatedIn(good).filter((guarantee) => guarantee === "linearizable")).toEqual([]);
      expect(good.undecided).toEqual([]);
      expect(good.statistics.blackBox?.statesExplored).toBeGreaterThan(0);

      const reads = blind.operations.filter((operation) => isRead(operation) && operation.outcome.status === "ok");
      const victim = random.pick(reads);
      const bad = blind.operations.map((operation) => {
        if (operation !== victim || !isRead(operation) || operation.outcome.status !== "ok") return operation;
        const [first = 0n, ...others] = operation.outcome.balances;
        // More than was ever there.
        return { ...operation, outcome: { ...operation.outcome, balances: [first + 1_000_000n, ...others] } };
      });
      const report = checkHistory({ ...blind, operations: bad });
      const found = report.violations.find(({ guarantee }) => guarantee === "linearizable");
      expect(found?.operations[0]?.invokeMs, renderReport(report).join("\n")).toBe(victim.invokeMs);
    }),
  );
});

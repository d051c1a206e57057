import { seeds, withSeed } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { checkHistory } from "./check-history.ts";
import { renderReport } from "./render-report.ts";
import { Simulation, type SimulationOptions } from "./simulation.test-util.ts";

const FILE = "packages/checker/src/good-histories.test.ts";

const LIVES: Readonly<Record<string, SimulationOptions>> = {
  "few clients on coupled accounts": {},
  "accounts apart from each other": { isCoupled: false, clients: 8, accounts: 6 },
  "one client": { clients: 1 },
  "many lost answers": { unknownPercent: 20, accounts: 12, isCoupled: false },
};

describe("a bank that does everything right", () => {
  for (const [name, options] of Object.entries(LIVES))
    it.each(seeds(3))(`is never accused: ${name}, seed %i`, (seed) =>
      withSeed(seed, FILE, async (random) => {
        const report = checkHistory(new Simulation(random, options).run(1500).history);
        expect(report.violations, renderReport(report).join("\n")).toEqual([]);
        // Somebody was asked, and it was no empty life.
        expect(report.operations).toBeGreaterThan(1500);
        expect(report.statistics.rejections).toBeGreaterThan(10);
        expect(report.undecided, renderReport(report).join("\n")).toEqual([]);
        // Every order that the journal tells was proved, so that nothing had to be searched.
        const { blackBox } = report.statistics;
        expect(blackBox).toMatchObject({ provedByOrder: blackBox?.sets, statesExplored: 0 });
      }),
    );

  it.each(seeds(3))(
    "is not accused for holds, and the black-box checker says that it does not know them, seed %i",
    (seed) =>
      withSeed(seed, FILE, async (random) => {
        const report = checkHistory(new Simulation(random, { hasHolds: true }).run(800).history);
        expect(report.violations).toEqual([]);
        expect(report.verdict).toBe("undecided");
      }),
  );
});

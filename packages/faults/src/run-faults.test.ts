import { renderReport } from "@bank/checker";
import { seeds } from "@bank/testkit";
import { describe, expect, it } from "vitest";
import { type FaultRun, runFaults } from "./run-faults.ts";
import { SCENARIOS, type Scenario } from "./scenarios.ts";

const SECONDS = 4;
/** Everything takes its time on a machine that has much to do. */
const TEST_TIMEOUT_MS = 120_000;

/** All that is wrong, with how to see it again; undefined for nothing. */
function wrongOf({ report, troubles, story }: FaultRun, { name }: Scenario, seed: number): string | undefined {
  if (report.verdict === "ok" && troubles.length === 0) return undefined;
  const repeat = `repeat: npm run faults -- --seconds ${SECONDS} --only '^${name}$' --seed ${seed}`;
  return [repeat, ...troubles, ...renderReport(report), story].join("\n");
}

describe("customers at a bank and its branches, under faults", () => {
  // Longer, and with every scenario: `npm run faults`.
  it("are never told anything wrong, and all is well again behind the faults", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const [seed = 1] = seeds(0);
    // Any of those in which something goes wrong and which need no database.
    const scenarios = SCENARIOS.filter(({ name, servers }) => name !== "calm" && servers === undefined);
    const scenario = scenarios[seed % scenarios.length] as Scenario;
    const run = await runFaults({ scenario, seed, forMs: SECONDS * 1_000 });
    expect(wrongOf(run, scenario, seed)).toBeUndefined();
    expect(run.faults.length, "some fault came").toBeGreaterThan(0);
    expect(run.report.operations, "customers were served").toBeGreaterThan(20);
  });
});

import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { runCommand } from "./command.test-util.ts";
import { expectedOf, SHARED, scenarioCases } from "./scenario-cases.test-util.ts";

/** What is wrong with each of the invalid files, and where. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ["invalid/not-json", ":5:114: a comma with nothing between it and the ]"],
  [
    "invalid/unequal-balances",
    ":25:17: branch 987 starts with 220.00, and branch 345 with 2200.00 (line 20, column 17); all branches",
  ],
]);

const cases = scenarioCases(SHARED);
const valid = cases.filter(({ folder }) => folder !== "invalid");
const invalid = cases.filter(({ folder }) => folder === "invalid");

// The files are other people's and not in the repository; where they are not, its own examples are tested all the same.
describe.runIf(existsSync(SHARED))("the scenarios beside the repository", () => {
  it("are there for every shape", () => {
    expect(new Set(cases.map(({ folder }) => folder))).toEqual(
      new Set(["per-customer", "per-event", "final-balance", "invalid"]),
    );
  });

  it.each(valid)("come out right: $name", async (each) => {
    expect(expectedOf(each)).toBeDefined();
    const run = await runCommand({ inputPath: each.inputPath });
    expect(JSON.parse(run.stdout)).toEqual(expectedOf(each));
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
  });

  it.each(valid.filter(({ folder }) => folder === "final-balance"))(
    "are not changed by asking for balances: $name",
    async (each) => {
      const run = await runCommand({ inputPath: each.inputPath, balances: true });
      expect(JSON.parse(run.stdout)).toEqual(expectedOf(each));
    },
  );

  it.each(invalid)("are refused with the place of the problem: $name", async ({ name, inputPath }) => {
    const run = await runCommand({ inputPath });
    expect(REFUSED.get(name)).toBeDefined();
    expect(run.stderr.startsWith(`${inputPath}${REFUSED.get(name)}`)).toBe(true);
    expect(run).toMatchObject({ exitCode: 2, stdout: "", banks: [] });
  });
});

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { runCommand } from "./command.test-util.ts";
import { readScenario } from "./read-scenario.ts";
import { EXAMPLES, scenarioCases } from "./scenario-cases.test-util.ts";

const cases = scenarioCases(EXAMPLES);
const valid = cases.filter(({ folder }) => folder !== "invalid");
const invalid = cases.filter(({ folder }) => folder === "invalid");

describe("the examples", () => {
  it("are there for every shape", () => {
    const folders = ["extended", "final-balance", "invalid", "per-customer", "per-event"];
    expect([...new Set(cases.map(({ folder }) => folder))]).toEqual(folders);
  });

  it.each(valid)("stand in the folder of their shape: $name", ({ folder, inputPath }) => {
    expect(readScenario(readFileSync(inputPath), inputPath).shape).toBe(folder);
  });

  it.each(valid)("give the output beside them: $name", async ({ inputPath, expected }) => {
    const run = await runCommand({ inputPath });
    expect(JSON.parse(run.stdout)).toEqual(expected);
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
  });

  it.each(invalid)("are refused with the message beside them: $name", async ({ inputPath }) => {
    const message = readFileSync(inputPath.replace(".input.json", ".message.txt"), "utf8");
    const run = await runCommand({ inputPath });
    expect(run).toMatchObject({ exitCode: 2, stdout: "", banks: [] });
    expect(run.stderr).toBe(join(dirname(inputPath), message));
  });
});

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCommand } from "./command.test-util.ts";
import { ROOT } from "./scenario-cases.test-util.ts";

let folder: string;
let blocks: string[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bank-docs-"));
  const page = await readFile(join(ROOT, "docs/reference/scenario-files.md"), "utf8");
  blocks = Array.from(page.matchAll(/```json\n(.*?)```/gs), (match) => match[1]!);
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function outputOf(input: string): Promise<unknown> {
  const inputPath = join(folder, "input.json");
  await writeFile(inputPath, input);
  const { stdout, stderr } = await runCommand({ inputPath });
  expect(stderr).toBe("");
  return JSON.parse(stdout);
}

describe("docs/reference/scenario-files.md", () => {
  it("shows a classic file and its output in each shape", async () => {
    const [perCustomer, perCustomerOutput, perEventOutput, finalBalanceOutput] = blocks;
    expect(await outputOf(perCustomer!)).toEqual(JSON.parse(perCustomerOutput!));

    const twoBranches = perCustomer!.replace(/\]\s*$/, ', { "id": 2, "type": "branch", "balance": 400 }]');
    const placed = (key: string): string =>
      twoBranches.replace('"money": 170', `"money": 170, "${key}": 1`).replace('"query"', `"query", "${key}": 2`);
    expect(await outputOf(placed("branch"))).toEqual(JSON.parse(perEventOutput!));
    expect(await outputOf(placed("dest"))).toEqual(JSON.parse(finalBalanceOutput!));
  });

  it("shows an extended file and its output", async () => {
    const [extended, output, ...more] = blocks.slice(4);
    expect(await outputOf(extended!)).toEqual(JSON.parse(output!));
    expect(more).toEqual([]);
  });
});

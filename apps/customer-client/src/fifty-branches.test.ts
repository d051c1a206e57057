import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { BankProcess } from "./process.test-util.ts";
import { SHARED, scenarioCases } from "./scenario/scenario-cases.test-util.ts";

const each = scenarioCases(SHARED).find(({ name }) => name === "per-customer/fifty-branches");

interface Entry {
  readonly id: number;
  readonly recv: readonly { readonly result?: string; readonly balance?: number }[];
}

async function run(...options: string[]): Promise<Entry[]> {
  const command = new BankProcess(["scenario", "run", each?.inputPath ?? "", ...options]);
  expect(await command.exitCode()).toBe(0);
  expect(command.stderr).toBe("");
  return JSON.parse(command.stdout) as Entry[];
}

describe.runIf(existsSync(SHARED))("fifty branches and a hundred customers", () => {
  it("come out right one after the other", async () => {
    expect(await run()).toEqual(each?.expected);
  });

  it("lose nothing all at once", async () => {
    const entries = await run("--concurrent");
    const expected = each?.expected as Entry[];
    expect(entries.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
    expect(entries.every(({ recv }) => recv[0]?.result === "success")).toBe(true);
    const balances = entries.flatMap(({ recv }) => recv.flatMap(({ balance }) => balance ?? []));
    expect(balances).toHaveLength(100);
    // Whoever made the last change asked after it, and has seen all of them: as in the file's order.
    expect(balances).toContain(expected.at(-1)?.recv.at(-1)?.balance);
  });
});

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HistoryWriter } from "@bank/checker";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cli } from "../cli.test-util.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "bank-check-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** A history in which somebody was shown this balance of an account that has always held 3.00. */
async function historyOf(balance: bigint): Promise<string> {
  const lines: string[] = [];
  const writer = new HistoryWriter((line) => lines.push(line), { startPosition: 4 });
  writer.account({ account: "1", currency: "USD", balance: 300n });
  writer.operation({
    client: "ada",
    server: "branch-1",
    invokeMs: 1,
    returnMs: 2,
    kind: "balance",
    accounts: ["1"],
    consistency: { mode: "linearizable" },
    outcome: { status: "ok", position: 4, balances: [balance] },
  });
  const file = join(folder, "history.jsonl");
  await writeFile(file, lines.map((line) => `${line}\n`).join(""));
  return file;
}

describe("bank check", () => {
  it("finds nothing wrong in a history that is as the bank promises", async () => {
    expect(await cli(["check", await historyOf(300n)])).toMatchObject({ exitCode: 0, stderr: "" });
  });

  it("tells what is wrong, to people and to programs, from a file or its input", async () => {
    const file = await historyOf(301n);
    const told = await cli(["check", file]);
    expect(told).toMatchObject({ exitCode: 1, stderr: "" });
    expect(told.stdout).toMatch(/301|3\.01/);
    expect(await cli(["check", "-"], { stdin: await readFile(file, "utf8") })).toEqual(told);
    const printed = await cli(["check", file, "--json"]);
    expect(printed.exitCode).toBe(1);
    expect(JSON.parse(printed.stdout)).toMatchObject({ verdict: "violated" });
  });

  it("refuses what is no history", async () => {
    expect(await cli(["check", "-"], { stdin: "{}\n" })).toMatchObject({
      exitCode: 2,
      stdout: expect.stringContaining("This is no history"),
    });
  });
});

import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningCluster, silentLog, startCluster } from "@bank/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cli, documentOf } from "./cli.test-util.ts";
import { readScenario } from "./scenario/index.ts";
import { EXAMPLES, expectedOf, SHARED, scenarioCases } from "./scenario/scenario-cases.test-util.ts";

/** Files with more branches are run in a test of their own. */
const BRANCHES_MAX = 10;

const cases = await Promise.all(
  [...scenarioCases(EXAMPLES), ...scenarioCases(SHARED)]
    .filter(({ folder }) => folder !== "invalid")
    .map(async (each) => ({ ...each, scenario: readScenario(await readFile(each.inputPath), each.inputPath) })),
).then((all) => all.filter(({ scenario }) => scenario.branches.length <= BRANCHES_MAX));

let cluster: RunningCluster;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bank-runs-"));
  const branches = new Set(cases.flatMap(({ scenario }) => scenario.branches));
  cluster = await startCluster({ branches: [...branches], log: silentLog });
});
afterAll(async () => {
  await cluster.close();
  await rm(folder, { recursive: true });
});

describe("a scenario on the real bank", () => {
  it.each(cases)("comes out right with a bank of its own: $name", async (each) => {
    const run = await cli(["scenario", "run", each.inputPath]);
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    expect(JSON.parse(run.stdout)).toEqual(expectedOf(each));
  });

  it.each(cases)("comes out right ten times out of ten: $name", async (each) => {
    for (let i = 0; i < 10; i++) {
      const run = await cli(["scenario", "run", each.inputPath, "--server", cluster.bankUrl]);
      expect(JSON.parse(run.stdout)).toEqual(expectedOf(each));
    }
  });

  // With one customer there is only one order.
  it.each(cases.filter(({ scenario }) => scenario.customers.length === 1))(
    "comes out right with all customers at once: $name",
    async (each) => {
      for (let i = 0; i < 3; i++) {
        const run = await cli(["scenario", "run", each.inputPath, "--concurrent", "--server", cluster.branchUrl(1)]);
        expect(JSON.parse(run.stdout)).toEqual(expectedOf(each));
      }
    },
  );
});

describe("customers at once", () => {
  it("never overdraw, and lose nothing", async () => {
    const customers = Array.from({ length: 20 }, (_, i) => ({
      id: i + 1,
      type: "customer",
      events: [
        { interface: "withdraw", money: 10, branch: 1 + (i % 2) },
        { interface: "query", branch: 1 + ((i + 1) % 2) },
      ],
    }));
    const input = join(folder, "rush.json");
    const branches = [1, 2].map((id) => ({ id, type: "branch", balance: 75 }));
    await writeFile(input, JSON.stringify([...customers, ...branches]));
    const run = await cli(["scenario", "run", input, "--concurrent", "--server", cluster.bankUrl]);
    const entries = (JSON.parse(run.stdout) as { recv: { result?: string; balance?: number }[] }[]).map(
      ({ recv }) => recv[0],
    );
    expect(entries.filter((entry) => entry?.result === "success")).toHaveLength(7);
    expect(entries.filter((entry) => entry?.result === "fail")).toHaveLength(13);
    const balances = entries.flatMap((entry) => entry?.balance ?? []);
    expect(Math.min(...balances)).toBe(5);
    expect(Math.max(...balances)).toBeLessThan(75);
  });
});

describe("bank scenario run", () => {
  const input = join(EXAMPLES, "per-customer", "pay-day.input.json");

  it("adds balances when asked", async () => {
    const run = await cli(["scenario", "run", input, "--balances", "--server", cluster.bankUrl]);
    const [first] = JSON.parse(run.stdout) as { recv: object[] }[];
    expect(first?.recv.every((entry) => "balance" in entry)).toBe(true);
  });

  it("prints one document with --json, also for a file that is refused", async () => {
    const words = ["scenario", "run", input, "--json", "--server", cluster.bankUrl];
    const done = await cli(words);
    expect(done).toMatchObject({ exitCode: 0, stderr: "" });
    const expected: unknown = JSON.parse(await readFile(input.replace(".input.", ".output."), "utf8"));
    expect(documentOf(done)).toEqual({ ok: true, output: expected });

    const out = join(folder, "out.json");
    expect(documentOf(await cli([...words, "--out", out]))).toEqual({ ok: true, out });
    expect(JSON.parse(await readFile(out, "utf8"))).toEqual(expected);

    const bad = join(folder, "bad.json");
    await writeFile(bad, "[\n  1]");
    const refused = await cli(["scenario", "run", bad, "--json"]);
    expect(refused).toMatchObject({ exitCode: 2, stderr: "" });
    expect(documentOf(refused)).toEqual({
      ok: false,
      code: "INVALID_ARGUMENT",
      reason: "USAGE",
      message: expect.stringMatching(/bad\.json:2:3: /),
      metadata: { file: bad, line: "2", column: "3" },
    });
  });

  it("keeps amounts above 2^53 exact inside the document", async () => {
    const rich = join(folder, "rich.json");
    await writeFile(
      rich,
      '[{"id":1,"type":"customer","events":[{"interface":"query"}]},{"id":1,"type":"branch","balance":90071992547409.93}]',
    );
    const { stdout } = await cli(["scenario", "run", rich, "--json", "--server", cluster.bankUrl]);
    expect(stdout).toContain('"balance":90071992547409.93');
  });

  it("refuses a bank that lacks a branch, before anything runs", async () => {
    const far = join(folder, "far.json");
    await writeFile(
      far,
      '[{"id":9,"type":"customer","events":[]},{"id":9,"type":"branch","balance":1},{"id":77,"type":"branch","balance":1}]',
    );
    const accounts = async () =>
      (documentOf(await cli(["account", "list", "--all", "--json"], { server: cluster.bankUrl }))["accounts"] as [])
        .length;
    const before = await accounts();
    const run = await cli(["scenario", "run", far, "--server", cluster.bankUrl]);
    expect(run).toMatchObject({ exitCode: 2, stdout: "" });
    expect(run.stderr).toMatch(/^bank: The bank at http:\S+ has no branch (9, )?77; it has 0, 1/);
    expect(await accounts()).toBe(before);
  });

  it("says when the bank does not answer, and writes nothing", async () => {
    const out = join(folder, "none.json");
    const words = ["scenario", "run", input, "--server", "127.0.0.1:1", "--timeout", "0.1", "--out", out];
    const told = await cli(words);
    expect(told).toMatchObject({ exitCode: 3, stdout: "" });
    expect(told.stderr).toBe(
      "bank: The run stopped: No connection to http://127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1.\n",
    );
    expect(existsSync(out)).toBe(false);
    expect(documentOf(await cli([...words, "--json"]))).toMatchObject({ ok: false, reason: "CONNECTION_FAILED" });
  });

  it("refuses a bad file with the message that names its place", async () => {
    const bad = join(EXAMPLES, "invalid", "half-a-cent.input.json");
    const run = await cli(["scenario", "run", bad]);
    expect(run).toMatchObject({ exitCode: 2, stdout: "" });
    expect(run.stderr).toBe(
      `${join(EXAMPLES, "invalid")}/${await readFile(bad.replace(".input.json", ".message.txt"), "utf8")}`,
    );
    const served = await cli(["scenario", "serve", bad]);
    expect(served.exitCode).toBe(2);
    expect(served.stderr).toContain("half-a-cent.input.json:");
  });
});

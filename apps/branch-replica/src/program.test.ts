import { type Ran, runHere } from "@bank/testkit";
import { afterEach, describe, expect, it, vi } from "vitest";
import { program } from "./program.ts";

afterEach(() => {
  vi.unstubAllEnvs();
});

function run(...words: string[]): Promise<Ran> {
  return runHere(() => program().parseAsync(["node", "branch-replica", ...words]));
}

/** The settings that `--print-config` shows, by flag: value and source. */
async function settings(...words: string[]): Promise<Record<string, string>> {
  const { exitCode, stdout, stderr } = await run("--print-config", ...words);
  expect([exitCode, stderr]).toEqual([undefined, ""]);
  const lines = stdout.trimEnd().split("\n");
  return Object.fromEntries(
    lines.map((line) => line.split(/ {2,}/, 3)).map(([flag, value, from]) => [flag, `${value}|${from}`]),
  );
}

describe("branch-replica, asked for what it would do,", () => {
  it("prints every setting as it is in force, and where it comes from", async () => {
    expect(await settings("--id", "7")).toEqual({
      "--id": "7|flag",
      "--upstream": "http://127.0.0.1:50051|default",
      "--bank": "http://127.0.0.1:50051|default",
      "--name": '""|default',
      "--listen": "127.0.0.1:50067|default",
      "--advertise": "http://127.0.0.1:50067|default",
      "--data": "data/branch-7|default",
      "--store": "sqlite:data/branch-7/journal|default",
      "--insecure": "false|default",
      "--snapshot-every": "1000000|default",
      "--min-free-space": "268435456|default",
      "--no-quick-unary": "false|default",
    });
    vi.stubEnv("BRANCH_ID", "1,5");
    vi.stubEnv("BRANCH_BANK", "bank.example:1");
    vi.stubEnv("BRANCH_DATA", "/somewhere");
    vi.stubEnv("BRANCH_STORE", "memory:");
    expect(await settings("--listen", "[::1]:0", "--snapshot-every", "3", "--advertise", "branch.example:81")).toEqual({
      "--id": "1,5|environment (BRANCH_ID)",
      "--upstream": "http://bank.example:1|default",
      "--bank": "http://bank.example:1|environment (BRANCH_BANK)",
      "--name": '""|default',
      "--listen": "[::1]:0|flag",
      "--advertise": "http://branch.example:81|flag",
      "--data": "/somewhere|environment (BRANCH_DATA)",
      "--store": "memory:|environment (BRANCH_STORE)",
      "--insecure": "false|default",
      "--snapshot-every": "3|flag",
      "--min-free-space": "268435456|default",
      "--no-quick-unary": "false|default",
    });
    vi.unstubAllEnvs();
    expect(await settings("--id", "1,5")).toMatchObject({
      "--listen": "127.0.0.1:50061,127.0.0.1:50065|default",
      "--data": "data/branch-1-5|default",
    });
    vi.stubEnv("BRANCH_UPSTREAM", "one:1,http://two:2");
    expect(await settings("--id", "1,5", "--name", "North, South")).toMatchObject({
      "--upstream": "http://one:1,http://two:2|environment (BRANCH_UPSTREAM)",
      "--name": "North,South|flag",
    });
  });

  it("listens where other machines can reach it only if it is told that this is safe", async () => {
    const words = ["--print-config", "--id", "1", "--listen", "0.0.0.0:0"];
    const refused = await run(...words);
    expect(refused).toMatchObject({ exitCode: 2, stdout: "" });
    expect(refused.stderr).toContain("say --insecure");
    expect((await run(...words, "--insecure")).exitCode).toBeUndefined();
    vi.stubEnv("BRANCH_INSECURE", "0");
    expect((await run(...words)).exitCode).toBe(2);
  });
});

describe("branch-replica ends with exit code 2", () => {
  it.each([
    ["no branch"],
    ["an unknown flag", "--id", "1", "--bnak", "x"],
    ["branch 0, which is the head office", "--id", "0"],
    ["a branch that is no number", "--id", "one"],
    ["a branch beyond the last", "--id", "65536"],
    ["a branch twice", "--id", "1,2,1"],
    ["an empty place", "--id", "1,,2"],
    ["a bank that is no URL", "--id", "1", "--bank", "http://host/path"],
    ["an upstream that is no URL among others", "--id", "1", "--upstream", "one:1,,two:2"],
    ["fewer names than branches", "--id", "1,2", "--name", "North"],
    ["an empty name", "--id", "1,2", "--name", "North,"],
    ["too few ports to be reached at", "--id", "1,2", "--advertise", "one:65535"],
    ["an address without a port", "--id", "1", "--listen", "127.0.0.1"],
    ["ports beyond the last", "--id", "1,2", "--listen", "127.0.0.1:65535"],
    ["a branch that has no port by default", "--id", "20000"],
    ["a mark for free space of no known unit", "--id", "1", "--min-free-space", "256 bananas"],
    ["a mark for free space that is too low", "--id", "1", "--min-free-space", "1MiB"],
    ["an argument", "--id", "1", "start"],
  ])("for %s", async (_, ...words) => {
    const { exitCode, stdout, stderr } = await run(...words);
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^error: /);
  });
});

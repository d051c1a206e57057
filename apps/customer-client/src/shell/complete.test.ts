import { describe, expect, it } from "vitest";
import { buildProgram } from "../program.ts";
import { complete } from "./complete.ts";

const program = buildProgram({ run: () => Promise.resolve(), writeHelp: () => undefined, inShell: true });

async function candidates(line: string): Promise<string[]> {
  const [found] = await complete(line, program, async () => ["1", "10", "2"]);
  return found.map((each) => each.trimEnd()).sort();
}

describe("completion", () => {
  it.each<[string, string[]]>([
    ["dep", ["deposit"]],
    ["acc", ["account"]],
    ["account o", ["open"]],
    ["account ", ["list", "open", "show"]],
    ["scenario r", ["run"]],
    ["he", ["help"]],
    ["ex", ["exit"]],
    ["deposit ", ["1", "10", "2"]],
    ["deposit 1", ["1", "10"]],
    ["deposit 1 ", []],
    ["transfer 1 ", ["1", "10", "2"]],
    ["transfer --branch 2 1 1", ["1", "10"]],
    ["balance --json 2", ["2"]],
    ["balance 1 --mo", ["--mode"]],
    ["balance 1 --mode ", ["linearizable", "local", "session"]],
    ["balance 1 --mode l", ["linearizable", "local"]],
    ["account open --type c", ["checking"]],
    ["account open --owner ", []],
    ["nonsense", []],
    ["account open --owner 'A", []],
  ])("of %j gives %j", async (line, expected) => {
    expect(await candidates(line)).toEqual(expected);
  });

  it("says which word it completes, and ends a complete one with a space", async () => {
    expect(await complete("deposit 1", program, async () => ["1"])).toEqual([["1 "], "1"]);
  });

  it("offers all commands on an empty line, also those that only the shell has", async () => {
    expect(await candidates("")).toEqual(
      [
        "account",
        "balance",
        "branches",
        "deposit",
        "exit",
        "help",
        "history",
        "scenario",
        "transfer",
        "withdraw",
      ].sort(),
    );
  });
});

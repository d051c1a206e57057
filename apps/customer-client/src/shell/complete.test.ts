import { describe, expect, it } from "vitest";
import { buildProgram } from "../program.ts";
import { complete } from "./complete.ts";

const program = buildProgram({ run: () => Promise.resolve(), writeHelp: () => undefined, inShell: true });

async function candidates(line: string): Promise<string[]> {
  const [found] = await complete(line, program, async () => ["1", "10", "2", "ada"]);
  return found.map((each) => each.trimEnd()).sort();
}

describe("completion", () => {
  it.each<[string, string[]]>([
    ["dep", ["deposit"]],
    ["acc", ["account"]],
    ["branches ", ["activate", "drain", "list", "rename", "retire"]],
    ["account o", ["open"]],
    ["account ", ["close", "freeze", "list", "open", "show", "unfreeze", "update"]],
    ["scenario r", ["run"]],
    ["he", ["help"]],
    ["ex", ["exit"]],
    ["deposit ", ["1", "10", "2", "ada"]],
    ["deposit 1", ["1", "10"]],
    ["deposit 1 ", []],
    ["transfer 1 ", ["1", "10", "2", "ada"]],
    ["transfer --branch 2 1 1", ["1", "10"]],
    ["balance --json 2", ["2"]],
    ["balance 1 --cons", ["--consistency"]],
    ["balance 1 --consistency ", ["bounded", "linearizable", "local", "session"]],
    ["balance 1 --consistency l", ["linearizable", "local"]],
    ["account open --type c", ["checking"]],
    ["account open --owner ", []],
    ["hold ", ["capture", "extend", "list", "place", "release", "show"]],
    ["hold place a", ["ada"]],
    ["hold capture ", []],
    ["hold capture 9 --to 1", ["1", "10"]],
    ["hold list ", ["1", "10", "2", "ada"]],
    ["inter", ["interest"]],
    ["interest apply a", ["ada"]],
    ["history --with a", ["ada"]],
    ["history 1 --kind t", ["transfer"]],
    ["history 1 --ol", ["--oldest-first"]],
    ["account freeze a", ["ada"]],
    ["reverse ", []],
    ["batch --at", ["--atomic"]],
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
        "batch",
        "branches",
        "cancel",
        "check",
        "deposit",
        "durability",
        "exit",
        "help",
        "history",
        "hold",
        "interest",
        "lines",
        "outcome",
        "reverse",
        "scenario",
        "session",
        "transaction",
        "transfer",
        "withdraw",
      ].sort(),
    );
  });
});

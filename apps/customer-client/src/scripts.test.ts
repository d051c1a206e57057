// The script tests of `testdata`: commands with the whole of what they print, run against a real bank whose clock the
// script moves. `BANK_SCRIPTS=write npx vitest run apps/customer-client/src/scripts.test.ts` writes the output anew: a
// person must then read every line of the difference, as nothing else says that the new output is right.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { afterEach, describe, expect, it } from "vitest";
import { buildProgram } from "./program.ts";
import { runScript } from "./script-tests/run-script.test-util.ts";
import { ScriptBank } from "./script-tests/script-bank.test-util.ts";
import { formatScript, parseScript } from "./script-tests/script-file.test-util.ts";

const FOLDER = join(import.meta.dirname, "../testdata");
const WRITING = process.env["BANK_SCRIPTS"] === "write";
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith(".txt"));

let bank: ScriptBank | undefined;
afterEach(async () => {
  await bank?.close();
  bank = undefined;
});

describe("the script", () => {
  it.each(FILES)("%s prints what it says", async (name) => {
    const path = join(FOLDER, name);
    const expected = readFileSync(path, "utf8");
    bank = await ScriptBank.start();
    const actual = formatScript(await runScript(parseScript(expected), bank));
    if (WRITING) writeFileSync(path, actual);
    else expect(actual, `${name}: BANK_SCRIPTS=write writes it anew, for a person to read`).toBe(expected);
  });
});

describe("the scripts", () => {
  /** What a script cannot show: servers, and what runs lines of its own. */
  const WITHOUT = ["branches list", "check", "scenario run", "scenario serve", "shell"];

  it("show every command", () => {
    const lines = FILES.flatMap((name) => readFileSync(join(FOLDER, name), "utf8").match(/^\$ bank .*/gm) ?? []);
    const unseen = commandNames(
      buildProgram({ run: async () => undefined, writeHelp: () => undefined, inShell: false }),
    )
      .filter((name) => !WITHOUT.includes(name))
      .filter((name) => !lines.some((line) => line.startsWith(`$ bank ${name}`)));
    expect(unseen).toEqual([]);
  });
});

function commandNames(command: Command, path = ""): string[] {
  if (command.commands.length === 0) return [path.trimStart()];
  return command.commands.flatMap((each) => commandNames(each, `${path} ${each.name()}`));
}

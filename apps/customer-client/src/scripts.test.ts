// The script tests of `testdata`: commands with the whole of what they print, run against a real bank whose clock the
// script moves. `BANK_SCRIPTS=write npx vitest run apps/customer-client/src/scripts.test.ts` writes the output anew: a
// person must then read every line of the difference, as nothing else says that the new output is right.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
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
    else expect(actual).toBe(expected);
  });
});

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type CliRun, cli } from "../cli.test-util.ts";
import { splitWords } from "../shell/split-words.ts";
import { Placeholders } from "./placeholders.test-util.ts";
import type { ScriptBank } from "./script-bank.test-util.ts";
import type { ScriptItem } from "./script-file.test-util.ts";

/** Runs a script's commands one after the other, and gives the script with what they really print. */
export async function runScript(items: readonly ScriptItem[], bank: ScriptBank): Promise<ScriptItem[]> {
  const placeholders = new Placeholders();
  const files = new Set<string>();
  const done: ScriptItem[] = [];
  for (const item of items) {
    switch (item.kind) {
      case "prose":
        done.push(item);
        break;
      case "pass":
        await bank.pass(item.ms);
        done.push(item);
        break;
      case "file":
        await writeFile(join(bank.folder, item.name), item.content);
        files.add(item.name);
        placeholders.say(item.content);
        done.push(item);
        break;
      case "command": {
        placeholders.say(item.line);
        const run = await runLine(placeholders.fill(item.line), files, bank);
        done.push({ ...item, output: placeholders.mask(outputOf(run, bank.folder)) });
        await bank.heard();
        break;
      }
    }
  }
  return done;
}

/** `$ bank …`, with the names of the script's files as paths, and `< FILE` as its input. */
async function runLine(line: string, files: ReadonlySet<string>, bank: ScriptBank): Promise<CliRun> {
  const words = splitWords(line.slice("$ bank ".length));
  const from = words.indexOf("<");
  const input = from === -1 ? undefined : words.splice(from, 2)[1];
  const stdin = input === undefined ? {} : { stdin: await readFile(join(bank.folder, input), "utf8") };
  const isPath = (word: string, i: number) => files.has(word) || words[i - 1] === "--session-file";
  const paths = words.map((word, i) => (isPath(word, i) ? join(bank.folder, word) : word));
  return cli(paths, { server: bank.url, nowMs: () => bank.clock.nowMs, ...stdin });
}

/** What a terminal would show, with the folder of the files left out of their paths. */
function outputOf({ stdout, stderr, exitCode }: CliRun, folder: string): string {
  const exit = exitCode === 0 ? "" : `[exit ${exitCode}]\n`;
  return (stdout + stderr).replaceAll(`${folder}/`, "") + exit;
}

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { BATCH_COMMANDS } from "./batch/commands.ts";
import { buildProgram } from "./program.ts";

const DOCS = readFileSync(join(import.meta.dirname, "../../../docs/reference/command-line.md"), "utf8");

const program = buildProgram({ run: () => Promise.resolve(), writeHelp: () => undefined, inShell: false });

/** The options that every command has, which the page lists once. */
const COMMON = program.options.map(({ long }) => long);

/** Every command without subcommands, with the words that call it. */
function leaves(
  command: Command,
  path: readonly string[] = [],
): { readonly usage: string; readonly command: Command }[] {
  if (command.commands.length > 0) return command.commands.flatMap((each) => leaves(each, [...path, each.name()]));
  const args = command.registeredArguments.map((argument) => {
    const name = argument.name().replaceAll("-", "_").toUpperCase();
    return argument.required ? name : `[${name}]`;
  });
  return [{ usage: [...path, ...args].join(" "), command }];
}

const COMMANDS = leaves(program);

/** The cells of each row of the page's tables of commands, by the first of them. */
const ROWS = new Map(
  DOCS.slice(DOCS.indexOf("## Commands"), DOCS.indexOf("## Everywhere"))
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()))
    .map((cells) => [String(cells[1]).replaceAll("`", ""), String(cells[2])]),
);

describe("the reference of the command line", () => {
  it("has every command with its arguments, and no other", () => {
    expect([...ROWS.keys()].sort()).toEqual(COMMANDS.map(({ usage }) => usage).sort());
  });

  it.each(COMMANDS)("has the options of `$usage`, and no other", ({ usage, command }) => {
    const described = [...String(ROWS.get(usage)).matchAll(/`(--[a-z-]+)/g)].map(([, option]) => option);
    const own = command.options.map(({ long }) => long).filter((long) => !COMMON.includes(long));
    expect(described.sort()).toEqual(own.sort());
  });

  it("has the options that all commands have", () => {
    const rows = DOCS.slice(DOCS.indexOf("## Everywhere"));
    for (const long of COMMON)
      if (long !== "--version") expect(rows).toMatch(new RegExp(`^\\| \`(-h, )?${long}[ \`]`, "m"));
  });

  it("has every command of a batch file, and no other", () => {
    const rows = DOCS.slice(DOCS.indexOf("## Batch files"));
    const described = [...rows.matchAll(/^\| `([a-z_]+)` \|/gm)].map(([, name]) => name);
    expect(described).toEqual([...Object.keys(BATCH_COMMANDS), "group"]);
  });

  it("has the commands that only the shell has", () => {
    const inShell = buildProgram({ run: () => Promise.resolve(), writeHelp: () => undefined, inShell: true });
    const names = inShell.commands.map((command) => command.name());
    const shellOnly = names.filter((name) => !program.commands.some((command) => command.name() === name));
    for (const name of shellOnly) expect(DOCS).toMatch(new RegExp(`^In the shell only: .*\`${name}\``, "m"));
  });
});

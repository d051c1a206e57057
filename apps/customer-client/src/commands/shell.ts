import type { Command } from "commander";
import type { CommandContext, Report } from "../command-context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { defineCommand, type Run } from "./define.ts";

/** `bank shell` */
export function addShellCommand(program: Command, run: Run): void {
  defineCommand(
    program,
    run,
    {
      usage: "shell",
      description: "Type commands one after another, over one connection and in one session.",
      details:
        "Commands are typed without `bank` before them; each sees what those before it did, at whichever branch. Tab\n" +
        "completes commands, options and account numbers; arrow up brings back lines. `exit` or Ctrl-D leaves; Ctrl-C ends\n" +
        "the command that runs, or clears the line.\n\n" +
        "Without a terminal it runs the lines of its input to the end, whatever becomes of each, and exits with the highest\n" +
        "of their exit codes. With --json every command prints one document on one line.",
      examples: [
        ["shell", ""],
        ["shell --branch 2 < commands.txt", "runs the lines of a file at branch 2"],
      ],
    },
    shell,
  );
}

async function shell(context: CommandContext): Promise<ExitCode> {
  const { runShell } = await import("../shell/run-shell.ts");
  return runShell(context);
}

/** The commands that only the shell has. */
export function addShellOnlyCommands(program: Command, run: Run): void {
  defineCommand(program, run, { usage: "lines", description: "List the lines of this shell.", examples: [] }, lines);
  const leaving = { usage: "exit", description: "Leave the shell, as Ctrl-D does.", examples: [] };
  defineCommand(program, run, leaving, exit, (command) => command.alias("quit"));
}

async function lines({ shell: home }: CommandContext): Promise<Report> {
  const typed = home?.lines ?? [];
  const width = String(typed.length).length;
  const text = typed.map((line, i) => `${String(i + 1).padStart(width)}  ${line}\n`).join("");
  return { document: { lines: typed }, text };
}

async function exit({ shell: home }: CommandContext): Promise<ExitCode> {
  home?.leave();
  return EXIT.DONE;
}

import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { Command } from "commander";
import { write } from "../cli-io.ts";
import type { CommandContext } from "../command-context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { UsageError } from "../usage-error.ts";
import { defineCommand, type Run } from "./define.ts";

/** `bank check` */
export function addCheckCommand(program: Command, run: Run): void {
  defineCommand(
    program,
    run,
    {
      usage: "check <file>",
      description: "Check a recorded history: whether what clients saw is what the bank promises.",
      details:
        "docs/internals/checking.md has the format and what is looked for. Exit codes: 0 for no violation, 1 for some, 2 for\n" +
        "what is no history, 3 where something was left undecided.",
      examples: [
        ["check history.jsonl", ""],
        ["check - < history.jsonl", ""],
      ],
    },
    check,
  );
}

// Only this command needs the checkers.
async function check(context: CommandContext, [file = ""]: readonly string[]): Promise<ExitCode> {
  const { io, settings, shell } = context;
  if (file === "-" && shell !== undefined)
    throw new UsageError("In a shell the standard input is the shell's: name a file.", { file });
  const { runCheck } = await import("@bank/checker");
  const input = file === "-" ? io.stdin : createReadStream(file);
  const failed = new Promise<never>((_, reject) => input.once("error", reject));
  const printed: string[] = [];
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  const print = (line: string) => printed.push(`${line}\n`);
  try {
    const exitCode = await Promise.race([runCheck(lines, print, { json: settings.json }), failed]);
    await write(io.stdout, printed.join(""));
    return exitCode === 0 ? EXIT.DONE : exitCode;
  } catch (error) {
    if (!(error instanceof Error && "syscall" in error)) throw error;
    throw new UsageError(`${JSON.stringify(file)} cannot be read: ${error.message}`, { file });
  } finally {
    lines.close();
  }
}

import type { Command } from "commander";
import type { CommandContext, Report } from "../command-context.ts";
import type { ExitCode } from "../exit-code.ts";
import { addDryRunOption, type ChangeArguments } from "./change-options.ts";
import { defineCommand, type Run } from "./define.ts";

export interface BatchArguments extends ChangeArguments {
  readonly batchId?: string;
  readonly currency?: string;
  readonly atomic?: boolean;
  readonly verbose?: boolean;
}

/** `bank batch` */
export function addBatchCommand(program: Command, run: Run): void {
  defineCommand(
    program,
    run,
    {
      usage: "batch <file>",
      changes: true,
      description: "Carry out the commands of a file, one a line.",
      details:
        "Each line is a JSON object; docs/reference/command-line.md has its fields. The whole file is checked before the\n" +
        "first line is sent. Each line is done or rejected by itself, in the order of the file, unless all are one group.\n" +
        "Running the same file again with the same --batch-id does again nothing that was done.",
      examples: [
        ["batch pay-day.jsonl", ""],
        ["batch pay-day.jsonl --batch-id pay-day-2026-01", "can be run again after any failure"],
        ["batch pay-day.jsonl --atomic", "all of it or nothing; up to 100 lines"],
        ["batch - --json < pay-day.jsonl", "one document for each line"],
      ],
    },
    batch,
    (command) =>
      addDryRunOption(
        command
          .option("--batch-id <name>", "names this run for ever: no line is done twice (default: a new name)")
          .option("--currency <code>", "of amounts that name none")
          .option("--atomic", "all lines or none")
          .option("--verbose", "tell also of the lines that were done"),
      ),
  );
}

// Only this command needs the reader of its files.
async function batch(
  context: CommandContext,
  [file = ""]: readonly string[],
  given: BatchArguments,
): Promise<Report | ExitCode> {
  const { runBatch } = await import("../batch/run-batch.ts");
  return runBatch(context, file, given);
}

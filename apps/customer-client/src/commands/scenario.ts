import type { Command } from "commander";
import type { CommandContext, Report } from "../command-context.ts";
import type { ExitCode } from "../exit-code.ts";
import { defineCommand, type Run } from "./define.ts";

export interface RunArguments {
  readonly out?: string;
  readonly concurrent?: boolean;
  readonly balances?: boolean;
}

export interface ServeArguments {
  readonly port: string;
}

/** `bank scenario …` */
export function addScenarioCommands(program: Command, run: Run): void {
  const scenario = program
    .command("scenario")
    .description("Run files of customers and branches, as in the classic exercise.");
  defineCommand(
    scenario,
    run,
    {
      usage: "run <input>",
      description: "Run a scenario file and print what each customer received.",
      details:
        "Without --server it starts a bank and the file's branches for this run alone, and leaves nothing behind;\n" +
        "BANK_SERVER does not count here. Rejected withdrawals are results like others.",
      examples: [
        ["scenario run input.json", ""],
        ["scenario run input.json --out output.json", "replaces the file as a whole, or not at all"],
        ["scenario run input.json --concurrent", "all customers at once"],
        ["scenario run input.json --server 127.0.0.1:50051", "with the branches of a bank that runs"],
      ],
    },
    runFile,
    (command) =>
      command
        .option("--out <file>", "write the output there")
        .option("--concurrent", "all customers at once, each one's own events in order")
        .option("--balances", "add the balance to every entry"),
  );
  defineCommand(
    scenario,
    run,
    {
      usage: "serve <input>",
      description: "Start a bank with the branches that a scenario file names, and stay until Ctrl-C.",
      details: "The customers are then run from a second terminal. The bank's data is gone afterwards.",
      examples: [
        ["scenario serve input.json", "prints the addresses"],
        ["scenario serve input.json --port 50051", "the bank listens there"],
      ],
    },
    serveFile,
    (command) => command.option("--port <n>", "where the bank listens; 0 for any free port", "0"),
  );
}

// Only these commands need servers; the others start faster without.

async function runFile(
  context: CommandContext,
  [input = ""]: readonly string[],
  options: RunArguments,
): Promise<Report | ExitCode> {
  const { runScenario } = await import("./scenario-run.ts");
  return runScenario(context, input, options);
}

async function serveFile(
  context: CommandContext,
  [input = ""]: readonly string[],
  options: ServeArguments,
): Promise<Report | ExitCode> {
  const { serveScenario } = await import("./scenario-serve.ts");
  return serveScenario(context, input, options);
}

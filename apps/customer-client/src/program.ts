import { Command, Option } from "commander";
import { addAccountCommands } from "./commands/account.ts";
import { addBalanceCommand } from "./commands/balance.ts";
import { addBatchCommand } from "./commands/batch.ts";
import { addBranchesCommands } from "./commands/branches.ts";
import { addCheckCommand } from "./commands/check.ts";
import type { Run } from "./commands/define.ts";
import { addDurabilityCommands } from "./commands/durability.ts";
import { addHistoryCommand } from "./commands/history.ts";
import { addHoldCommands } from "./commands/hold.ts";
import { addInterestCommands } from "./commands/interest.ts";
import { addMoneyCommands } from "./commands/money.ts";
import { addRequestCommands } from "./commands/request.ts";
import { addReverseCommand } from "./commands/reverse.ts";
import { addScenarioCommands } from "./commands/scenario.ts";
import { addSessionCommand } from "./commands/session.ts";
import { addShellCommand, addShellOnlyCommands } from "./commands/shell.ts";
import { addTransactionCommands } from "./commands/transaction.ts";
import { addCommonOptions, COMMON_OPTIONS } from "./settings.ts";
import { VERSION } from "./version.ts";

export interface ProgramOptions {
  readonly run: Run;
  /** Help, whether it was asked for or stands in for a command. */
  readonly writeHelp: (text: string) => void;
  /** Whether the shell's own commands are there too. */
  readonly inShell: boolean;
}

/** The command line's commands and options. A program parses once. */
export function buildProgram({ run, writeHelp, inShell }: ProgramOptions): Command {
  const program = new Command("bank")
    .description("A customer's command line for the bank.")
    .version(VERSION, "--version", "print the version")
    .addHelpOption(new Option("-h, --help", "show how to use a command").helpGroup(COMMON_OPTIONS))
    .exitOverride()
    // Errors are written where all failures are, from what the parser throws.
    .configureOutput({ writeOut: writeHelp, writeErr: writeHelp, outputError: () => undefined });
  addCommonOptions(program);
  addAccountCommands(program, run);
  addMoneyCommands(program, run);
  addReverseCommand(program, run);
  addInterestCommands(program, run);
  addHoldCommands(program, run);
  addBatchCommand(program, run);
  addBalanceCommand(program, run);
  addHistoryCommand(program, run);
  addTransactionCommands(program, run);
  addRequestCommands(program, run);
  addBranchesCommands(program, run);
  addDurabilityCommands(program, run);
  addSessionCommand(program, run);
  addScenarioCommands(program, run);
  addCheckCommand(program, run);
  if (inShell) addShellOnlyCommands(program, run);
  else addShellCommand(program, run);
  return program.addHelpText("after", EXIT_CODES);
}

const EXIT_CODES = `
Exit codes:
  0    done
  1    rejected by the bank
  2    wrong usage; nothing was done
  3    no answer, or it is not known what became of it; the message says how to find out
  130  interrupted by Ctrl-C

\`bank help COMMAND\` shows examples.
`;

import type { BalanceReading } from "@bank/client";
import type { Command } from "commander";
import type { CommandContext, Report } from "../command-context.ts";
import { moneyDocument, readDocument } from "../documents.ts";
import { moneyText } from "../money-text.ts";
import { defineCommand, type Run } from "./define.ts";
import { addReadOptions, type ReadArguments, reader } from "./read-options.ts";

/** `bank balance` */
export function addBalanceCommand(program: Command, run: Run): void {
  defineCommand(
    program,
    run,
    {
      usage: "balance <account>",
      description: "Show the balance of an account.",
      examples: [
        ["balance 1", "the newest"],
        ["balance 1 --branch 2 --mode local", "as branch 2 has it, also without the bank"],
        ["balance 1 --mode session --session TOKEN", "with all that an earlier command has seen"],
      ],
    },
    balance,
    addReadOptions,
  );
}

async function balance(
  context: CommandContext,
  [account = ""]: readonly string[],
  given: ReadArguments,
): Promise<Report> {
  const { client, options } = await reader(context, given);
  const reading = await client.balance(account, options());
  return {
    document: {
      account: { number: account },
      balance: moneyDocument(reading.balance),
      version: String(reading.version),
      ...readDocument(reading, client.session),
    },
    text: `${moneyText(reading.balance)}${given.mode === "linearizable" ? "" : stateText(reading)}\n`,
  };
}

/** Of which state a balance is that need not be the newest. */
function stateText({ position, stalenessMs }: BalanceReading): string {
  const age = stalenessMs === undefined ? "of unknown age" : `at most ${stalenessMs} ms old`;
  return `  (as of position ${position}, ${age})`;
}

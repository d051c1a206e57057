import { parseRate } from "@bank/core";
import type { Command } from "commander";
import type { CommandContext, Report } from "../command-context.ts";
import { doneReport } from "../results/done-report.ts";
import { UsageError } from "../usage-error.ts";
import { addChangeOptions, type VersionedArguments, versionedOptions } from "./change-options.ts";
import { defineCommand, type Run } from "./define.ts";

/** `bank interest …` */
export function addInterestCommands(program: Command, run: Run): void {
  const interest = program.command("interest").description("Pay interest.");
  defineCommand(
    interest,
    run,
    {
      usage: "apply <account> <rate>",
      changes: true,
      description: "Add a percentage of an account's balance to it, once, paid by the branch.",
      details:
        "The rate is a percentage from 0 to 100 with at most six decimals. The interest is rounded to the currency's\n" +
        "decimals, a half to the even neighbour: 12.5 % of 95.30 is 11.91. Interest that rounds to zero books nothing.",
      examples: [
        ["interest apply 1 2.5", "2.5 percent"],
        ["interest apply 1 2.5%", "the same"],
        ["interest apply 1 2.5 --dry-run", "how much it would be"],
      ],
    },
    applyInterest,
    addChangeOptions,
  );
}

async function applyInterest(
  context: CommandContext,
  [account = "", rate = ""]: readonly string[],
  given: VersionedArguments,
): Promise<Report> {
  const options = versionedOptions(context, given);
  const percent = percentOf(rate);
  const client = await context.client();
  const applied = await client.applyInterest(account, percent, options());
  return doneReport(client, applied, { kind: "interest", interest: applied.interest });
}

/** The rate without its sign. Throws: `UsageError`. */
export function percentOf(text: string): string {
  const percent = text.replace(/ ?%$/, "");
  if (parseRate(percent) === undefined)
    throw new UsageError(
      `${JSON.stringify(text)} is no rate. Write 2.5 or 2.5%: from 0 to 100, with at most six decimals.`,
      { rate: text },
    );
  return percent;
}

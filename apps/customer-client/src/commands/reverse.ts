import type { Command } from "commander";
import type { CommandContext, Report } from "../command-context.ts";
import { parsePosition } from "../positions.ts";
import { doneReport } from "../results/done-report.ts";
import { addChangeOptions, type VersionedArguments, versionedOptions } from "./change-options.ts";
import { defineCommand, type Run } from "./define.ts";

/** `bank reverse` */
export function addReverseCommand(program: Command, run: Run): void {
  defineCommand(
    program,
    run,
    {
      usage: "reverse <transaction>",
      changes: true,
      description: "Move the money of an earlier transaction back, once.",
      details:
        "A reversal cannot be reversed. --expect-version is about the customer's account; of a transfer, the one that paid.",
      examples: [["reverse 12", "transaction 12, as `history` and the answer to it tell it"]],
    },
    reverse,
    addChangeOptions,
  );
}

async function reverse(
  context: CommandContext,
  [transaction = ""]: readonly string[],
  given: VersionedArguments,
): Promise<Report> {
  const options = versionedOptions(context, given);
  const position = parsePosition(transaction, "transaction number");
  const client = await context.client();
  const booked = await client.reverse(position, options());
  return doneReport(client, booked, { kind: "transaction", transaction: booked.transaction });
}

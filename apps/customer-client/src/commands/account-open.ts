import type { Metadata } from "@bank/client";
import { type Command, Option } from "commander";
import type { CommandContext, Report } from "../command-context.ts";
import { refuseMalformed } from "../core-command.ts";
import { collectMetadata } from "../metadata-text.ts";
import { decimalsOf, parseMinor, parseMoney } from "../money-text.ts";
import { doneReport } from "../results/done-report.ts";
import { UsageError } from "../usage-error.ts";
import { addDryRunOption, type ChangeArguments, mutationOptions } from "./change-options.ts";
import { defineCommand, type Run } from "./define.ts";

interface OpenArguments extends ChangeArguments {
  readonly type: "savings" | "checking";
  readonly owner?: string;
  readonly currency: string;
  readonly name?: string;
  readonly alias?: string;
  readonly metadata?: Metadata;
  readonly overdraft?: string;
  readonly ceiling?: string;
}

/** `bank account open` */
export function addAccountOpenCommand(account: Command, run: Run): void {
  defineCommand(
    account,
    run,
    {
      usage: "open",
      changes: true,
      description: "Open an account. The bank gives it the next number.",
      details:
        "An alias names the account wherever a number does; one of digits becomes its number. An overdraft is how far\n" +
        "below zero a checking account may go, a ceiling how much an account may hold.",
      examples: [
        ["account open --owner Ada", "a savings account in USD"],
        ["account open --owner Ada --alias ada", "that can be named ada"],
        ["account open --type checking --owner Ada --overdraft 100", "down to -100.00 USD"],
        ["account open --type checking --owner Ada --currency EUR --branch 2", "at branch 2"],
        ["account open --owner Ada --metadata advisor=Bo --metadata class=gold", "with texts of your own"],
      ],
    },
    open,
    (command) =>
      addDryRunOption(
        command
          .addOption(new Option("--type <type>", "what for").choices(["savings", "checking"]).default("savings"))
          .option("--owner <name>", "whose it is")
          .option("--currency <code>", "ISO 4217 code, for life", "USD")
          .option("--name <text>", "what its owner calls it")
          .option("--alias <name>", "what it is called beside its number")
          .addOption(new Option("--metadata <key=value>", "a text by name; may be repeated").argParser(collectMetadata))
          .option("--overdraft <amount>", "how far below zero it may go (checking only)")
          .option("--ceiling <amount>", "how much it may hold"),
      ),
  );
}

async function open(context: CommandContext, _: readonly string[], given: OpenArguments): Promise<Report> {
  const { type, owner, name: displayName, alias, metadata, overdraft } = given;
  const currency = given.currency.toUpperCase();
  decimalsOf(currency);
  if (overdraft !== undefined && type !== "checking")
    throw new UsageError("Only a checking account can have an overdraft: add --type checking.", { overdraft });
  const floor = overdraft === undefined ? undefined : -parseMinor(overdraft, currency);
  const ceiling = given.ceiling === undefined ? undefined : parseMoney(given.ceiling, currency).minor;
  const options = mutationOptions(context, given);
  const account = { type, owner, displayName, currency, alias, metadata, floor, ceiling };
  refuseMalformed({ kind: "openAccount", ...account });
  const client = await context.client();
  const opened = await client.openAccount(account, options());
  return doneReport(client, opened, { kind: "account", account: opened.account });
}

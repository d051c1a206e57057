import type { Command } from "commander";
import type { CommandContext, Report } from "../command-context.ts";
import { doneReport } from "../results/done-report.ts";
import { addChangeOptions, type VersionedArguments, versionedOptions } from "./change-options.ts";
import { addCurrencyOption, type CurrencyArguments, clientAndMoney } from "./currency.ts";
import { defineCommand, type Run } from "./define.ts";

type MoneyArguments = CurrencyArguments & VersionedArguments;

/** `bank deposit`, `bank withdraw` and `bank transfer` */
export function addMoneyCommands(program: Command, run: Run): void {
  const options = (command: Command) => addChangeOptions(addCurrencyOption(command));
  defineCommand(
    program,
    run,
    {
      usage: "deposit <account> <amount>",
      changes: true,
      description: "Pay cash into an account.",
      examples: [
        ["deposit 1 12.34", ""],
        ["deposit 1 12.34 --branch 2", "at branch 2"],
        ["deposit 1 12.34 --dry-run", "what would happen"],
      ],
    },
    deposit,
    options,
  );
  defineCommand(
    program,
    run,
    {
      usage: "withdraw <account> <amount>",
      changes: true,
      description: "Pay cash out of an account.",
      examples: [
        ["withdraw 1 5", ""],
        ["withdraw 1 5 --request-id 3f0c8a52-6a1e-4c57-9d0b-6a1f6f1c2b11", "once, however often it is run"],
        ["withdraw 1 5 --expect-version 7", "unless the account has changed meanwhile"],
      ],
    },
    withdraw,
    options,
  );
  defineCommand(
    program,
    run,
    {
      usage: "transfer <from> <to> <amount>",
      changes: true,
      description: "Move money from one account to another of the same currency.",
      details: "--expect-version is about the account that pays.",
      examples: [
        ["transfer 1 2 7.50", "from account 1 to account 2"],
        ["transfer 1 fees/0/USD 2", "a fee for the head office"],
      ],
    },
    transfer,
    options,
  );
}

async function deposit(
  context: CommandContext,
  [account = "", amount = ""]: readonly string[],
  given: MoneyArguments,
): Promise<Report> {
  const options = versionedOptions(context, given);
  const { client, money } = await clientAndMoney(context, { account, amount, ...given });
  const booked = await client.deposit(account, money, options());
  return doneReport(client, booked, { kind: "transaction", transaction: booked.transaction });
}

async function withdraw(
  context: CommandContext,
  [account = "", amount = ""]: readonly string[],
  given: MoneyArguments,
): Promise<Report> {
  const options = versionedOptions(context, given);
  const { client, money } = await clientAndMoney(context, { account, amount, ...given });
  const booked = await client.withdraw(account, money, options());
  return doneReport(client, booked, { kind: "transaction", transaction: booked.transaction });
}

async function transfer(
  context: CommandContext,
  [from = "", to = "", amount = ""]: readonly string[],
  given: MoneyArguments,
): Promise<Report> {
  const options = versionedOptions(context, given);
  const { client, money } = await clientAndMoney(context, { account: from, amount, ...given });
  const booked = await client.transfer(from, to, money, options());
  return doneReport(client, booked, { kind: "transaction", transaction: booked.transaction });
}

import type { BankClient, Booked, Money } from "@bank/client";
import type { Command } from "commander";
import type { CommandContext, Report } from "../command-context.ts";
import { doneDocument, transactionDocument } from "../documents.ts";
import { checkAmountText, moneyText, parseMoney } from "../money-text.ts";
import { printable } from "../printable.ts";
import { pairs } from "../table.ts";
import { defineCommand, type Run } from "./define.ts";

interface MoneyArguments {
  readonly currency?: string;
}

/** `bank deposit`, `bank withdraw` and `bank transfer` */
export function addMoneyCommands(program: Command, run: Run): void {
  const currencyOption = (command: Command) =>
    command.option("--currency <code>", "the amount's currency (default: the account's)");
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
      ],
    },
    deposit,
    currencyOption,
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
      ],
    },
    withdraw,
    currencyOption,
  );
  defineCommand(
    program,
    run,
    {
      usage: "transfer <from> <to> <amount>",
      changes: true,
      description: "Move money from one account to another of the same currency.",
      examples: [["transfer 1 2 7.50", "from account 1 to account 2"]],
    },
    transfer,
    currencyOption,
  );
}

async function deposit(
  context: CommandContext,
  [account = "", amount = ""]: readonly string[],
  options: MoneyArguments,
): Promise<Report> {
  const { client, money } = await prepare(context, { account, amount, ...options });
  const booked = await client.deposit(account, money, context.mutation());
  return bookedReport(client, booked, `Deposited ${moneyText(money)} into account ${printable(account)}`);
}

async function withdraw(
  context: CommandContext,
  [account = "", amount = ""]: readonly string[],
  options: MoneyArguments,
): Promise<Report> {
  const { client, money } = await prepare(context, { account, amount, ...options });
  const booked = await client.withdraw(account, money, context.mutation());
  return bookedReport(client, booked, `Withdrew ${moneyText(money)} from account ${printable(account)}`);
}

async function transfer(
  context: CommandContext,
  [from = "", to = "", amount = ""]: readonly string[],
  options: MoneyArguments,
): Promise<Report> {
  const { client, money } = await prepare(context, { account: from, amount, ...options });
  const booked = await client.transfer(from, to, money, context.mutation());
  const what = `Transferred ${moneyText(money)} from account ${printable(from)} to account ${printable(to)}`;
  return bookedReport(client, booked, what);
}

/** The amount in the currency that was said, or in that of the account, which never changes. */
async function prepare(
  context: CommandContext,
  given: { readonly account: string; readonly amount: string; readonly currency?: string },
): Promise<{ client: BankClient; money: Money }> {
  const { account, amount, currency } = given;
  checkAmountText(amount);
  const told = currency === undefined ? undefined : parseMoney(amount, currency.toUpperCase());
  const client = await context.client();
  if (told !== undefined) return { client, money: told };
  const reading = await client.getAccount(account, context.call());
  return { client, money: parseMoney(amount, reading.account.currency) };
}

function bookedReport(client: BankClient, booked: Booked, what: string): Report {
  const { transaction, replayed } = booked;
  const { branch, position } = transaction;
  const again = replayed ? "  This request id was answered before; nothing was done now.\n" : "";
  return {
    document: { transaction: transactionDocument(transaction), ...doneDocument(booked, client.session) },
    text: `${what}.\n${again}${pairs({ branch: branch === 0 ? "0 (head office)" : String(branch), position: String(position) })}`,
  };
}

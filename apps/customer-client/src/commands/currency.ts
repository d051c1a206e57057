import type { BankClient, Money } from "@bank/client";
import type { Command } from "commander";
import type { CommandContext } from "../command-context.ts";
import { checkAmountText, parseMoney } from "../money-text.ts";

export interface CurrencyArguments {
  readonly currency?: string;
}

/** Adds `--currency` to a command with amounts. */
export function addCurrencyOption(command: Command): Command {
  return command.option("--currency <code>", "the amount's currency (default: the account's)");
}

/** The currency that was said, or else that of the account, which never changes. */
export async function currencyOf(
  context: CommandContext,
  client: BankClient,
  { account, currency }: CurrencyArguments & { readonly account: string },
): Promise<string> {
  if (currency !== undefined) return currency.toUpperCase();
  return (await client.getAccount(account, context.call())).account.currency;
}

/**
 * A client, and an amount in the currency that was said or in that of the account. What is wrong with the amount by
 * itself is said before anybody is asked.
 */
export async function clientAndMoney(
  context: CommandContext,
  given: CurrencyArguments & { readonly account: string; readonly amount: string },
): Promise<{ client: BankClient; money: Money }> {
  const { amount, currency } = given;
  checkAmountText(amount);
  if (currency !== undefined) parseMoney(amount, currency.toUpperCase());
  const client = await context.client();
  return { client, money: parseMoney(amount, await currencyOf(context, client, given)) };
}

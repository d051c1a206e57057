import { type BankClient, BankError, type Consistency, type Money } from "@bank/client";
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

/** The currency that was said, or else that of the account. */
export async function currencyOf(
  context: Pick<CommandContext, "call">,
  client: Pick<BankClient, "getAccount" | "session">,
  { account, currency }: CurrencyArguments & { readonly account: string },
): Promise<string> {
  if (currency !== undefined) return currency.toUpperCase();
  const { account: found } = await unchanging(client, (consistency) =>
    client.getAccount(account, { ...context.call(), consistency }),
  );
  return found.currency;
}

/**
 * Reads what never changes once it is there, such as a currency: an older state says it as well as the newest. A linearizable
 * read, which is refused where a change would be too, would tell its own refusal in place of the change's.
 */
export async function unchanging<T>(
  { session }: Pick<BankClient, "session">,
  read: (consistency: Consistency) => Promise<T>,
): Promise<T> {
  try {
    return await read(session === undefined ? "local" : "session");
  } catch (error) {
    // It may be newer than the state that was asked.
    if (error instanceof BankError && NOT_FOUND.has(error.reason)) return read("linearizable");
    throw error;
  }
}

const NOT_FOUND: ReadonlySet<string> = new Set(["READ_ACCOUNT_NOT_FOUND", "READ_HOLD_NOT_FOUND"]);

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

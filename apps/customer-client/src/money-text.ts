import type { Money } from "@bank/client";
import { type AmountProblem, currencyDecimals, formatAmount, parseAmount } from "@bank/core";
import { UsageError } from "./usage-error.ts";

/** Decimals that no currency has more of: what is no amount with these is none at all. */
const DECIMALS_MAX = 4;

/**
 * Checks what needs no currency, so that nobody is asked about an amount that can be none.
 * Throws: `UsageError`.
 */
export function checkAmountText(text: string): void {
  const problem = parseAmount(text, DECIMALS_MAX);
  if (problem === "not-a-number") throw refused(text, "not-a-number", "");
  if (problem === 0n) throw new UsageError("The amount must be more than zero.", { amount: text });
}

/** The same for an amount that may be zero or less, as a floor is. Throws: `UsageError`. */
export function checkSignedAmountText(text: string): void {
  const problem = parseAmount(text.replace(/^-/, ""), DECIMALS_MAX);
  if (problem === "not-a-number") throw refused(text, "not-a-number", "");
}

/** An amount of that currency, more than zero. Throws: `UsageError`. */
export function parseMoney(text: string, currency: string): Money {
  const minor = parseAmount(text, decimalsOf(currency));
  if (typeof minor === "string") throw refused(text, minor, currency);
  if (minor === 0n) throw new UsageError("The amount must be more than zero.", { amount: text });
  return { currency, minor };
}

/** An amount of that currency that may be zero, in minor units. Throws: `UsageError`. */
export function parseMinor(text: string, currency: string): bigint {
  const minor = parseAmount(text, decimalsOf(currency));
  if (typeof minor === "string") throw refused(text, minor, currency);
  return minor;
}

/** An amount of that currency that may be zero or, as in `-100.00`, less, in minor units. Throws: `UsageError`. */
export function parseSignedMinor(text: string, currency: string): bigint {
  const minor = parseAmount(text.replace(/^-/, ""), decimalsOf(currency));
  if (typeof minor === "string") throw refused(text, minor, currency);
  return text.startsWith("-") ? -minor : minor;
}

/** Decimals of a currency. Throws: `UsageError` for a code that is none. */
export function decimalsOf(currency: string): number {
  const decimals = currencyDecimals(currency);
  if (decimals === undefined)
    throw new UsageError(`${JSON.stringify(currency)} is not an ISO 4217 currency code, such as USD.`, { currency });
  return decimals;
}

/** `12.34` */
export function amountText({ currency, minor }: Money): string {
  return formatAmount(minor, decimalsOf(currency));
}

/** `12.34 USD` */
export function moneyText(money: Money): string {
  return `${amountText(money)} ${money.currency}`;
}

function refused(text: string, problem: AmountProblem, currency: string): UsageError {
  const quoted = JSON.stringify(text);
  const metadata = { amount: text, ...(currency === "" ? {} : { currency }) };
  switch (problem) {
    case "not-a-number":
      return new UsageError(
        `${quoted} is not an amount. Write 12 or 12.34: digits and a point, without sign, exponent or grouping.`,
        metadata,
      );
    case "too-precise": {
      const decimals = decimalsOf(currency);
      const most = decimals === 0 ? "no decimals" : `at most ${decimals} decimals`;
      return new UsageError(`${quoted} has too many decimals: amounts in ${currency} have ${most}.`, metadata);
    }
    case "too-large":
      return new UsageError(`${quoted} is larger than any amount that the bank can hold.`, metadata);
  }
}

import { AMOUNT_MAX, BALANCE_MIN } from "./limits.ts";

/** An amount of one currency in whole minor units: 12.34 USD is `{ currency: "USD", minor: 1234n }`. */
export interface Money {
  /** ISO 4217 code. */
  readonly currency: string;
  /** Minor units; fits into 64 bits with a sign. */
  readonly minor: bigint;
}

/** Why a text is not an amount. */
export type AmountProblem = "not-a-number" | "too-precise" | "too-large";

const AMOUNT = /^([0-9]+)(?:\.([0-9]+))?$/;

/**
 * Reads `12` or `12.34`: digits, and behind a point at most as many as the currency has decimals. No sign, exponent,
 * grouping or white space.
 */
export function parseAmount(text: string, decimals: number): bigint | AmountProblem {
  const match = AMOUNT.exec(text);
  if (match === null) return "not-a-number";
  const whole = match[1] as string;
  const fraction = match[2] ?? "";
  if (fraction.length > decimals) return "too-precise";
  // Nineteen digits hold every 64-bit number; longer ones are not even worth converting.
  const digits = (whole + fraction.padEnd(decimals, "0")).replace(/^0+(?=[0-9])/, "");
  if (digits.length > 19) return "too-large";
  const minor = BigInt(digits);
  return minor > AMOUNT_MAX ? "too-large" : minor;
}

/** Writes minor units with all of the currency's decimals: `-1234n` with 2 decimals is `-12.34`. */
export function formatAmount(minor: bigint, decimals: number): string {
  const sign = minor < 0n ? "-" : "";
  const digits = (minor < 0n ? -minor : minor).toString().padStart(decimals + 1, "0");
  if (decimals === 0) return sign + digits;
  return `${sign}${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
}

/** Whether a sum or difference still is a balance that the ledger can hold. */
export function fitsBalance(minor: bigint): boolean {
  return minor >= BALANCE_MIN && minor <= AMOUNT_MAX;
}

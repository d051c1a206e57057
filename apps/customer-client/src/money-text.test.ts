import { describe, expect, it } from "vitest";
import { checkAmountText, moneyText, parseMinor, parseMoney, parseSignedMinor } from "./money-text.ts";
import { UsageError } from "./usage-error.ts";

describe("an amount on the command line", () => {
  it.each<[string, string, bigint]>([
    ["12", "USD", 1200n],
    ["12.3", "USD", 1230n],
    ["12.34", "USD", 1234n],
    ["0.01", "USD", 1n],
    ["007", "JPY", 7n],
    ["1.234", "KWD", 1234n],
    ["92233720368547758.07", "USD", 9223372036854775807n],
  ])("%s %s is %s minor units", (text, currency, minor) => {
    checkAmountText(text);
    expect(parseMoney(text, currency)).toEqual({ currency, minor });
  });

  it.each([
    "1e3",
    "-5",
    "1,000",
    "",
    "+1",
    ".5",
    "5.",
    "1 000",
    " 1",
    "1\n",
    "0x10",
    "Infinity",
    "NaN",
    "१२",
    "1_000",
    "$5",
  ])("%j is refused without knowing the currency", (text) => {
    expect(() => checkAmountText(text)).toThrow("is not an amount. Write 12 or 12.34");
    expect(() => parseMoney(text, "USD")).toThrow(UsageError);
  });

  it.each([
    ["1.234", "USD", "at most 2 decimals"],
    ["1.0", "JPY", "no decimals"],
    ["92233720368547758.08", "USD", "larger than any amount"],
    ["1".repeat(40), "USD", "larger than any amount"],
    ["0", "USD", "more than zero"],
    ["0.00", "USD", "more than zero"],
    ["1", "XXX", '"XXX" is not an ISO 4217 currency code'],
  ])("%s %s is refused", (text, currency, words) => {
    expect(() => parseMoney(text, currency)).toThrow(words);
  });

  it("may be zero where that means something, and below zero for a floor", () => {
    expect(parseMinor("0", "USD")).toBe(0n);
    expect(() => parseMinor("-1", "USD")).toThrow("is not an amount");
    expect(parseSignedMinor("-100.5", "USD")).toBe(-10_050n);
    expect(parseSignedMinor("-0", "JPY")).toBe(0n);
    expect(parseSignedMinor("25", "KWD")).toBe(25_000n);
    for (const text of ["--1", "-", "- 1", "-1e3"]) expect(() => parseSignedMinor(text, "USD")).toThrow(UsageError);
  });

  it("is written with all decimals of its currency", () => {
    expect(moneyText({ currency: "USD", minor: -1234n })).toBe("-12.34 USD");
    expect(moneyText({ currency: "JPY", minor: 5n })).toBe("5 JPY");
  });
});

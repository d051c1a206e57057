import { describe, expect, it } from "vitest";
import { AMOUNT_MAX, BALANCE_MIN } from "./limits.ts";
import { fitsBalance, formatAmount, parseAmount } from "./money.ts";
import { Random, SEED, seeded } from "./random.test-util.ts";

describe("parseAmount", () => {
  it.each([
    ["0", 2, 0n],
    ["12", 2, 1200n],
    ["12.3", 2, 1230n],
    ["12.34", 2, 1234n],
    ["0.01", 2, 1n],
    ["007.50", 2, 750n],
    ["12", 0, 12n],
    ["1.234", 3, 1234n],
    ["0.0001", 4, 1n],
    ["92233720368547758.07", 2, AMOUNT_MAX],
    ["9223372036854775807", 0, AMOUNT_MAX],
    ["9223372036854775.807", 3, AMOUNT_MAX],
    [`${"0".repeat(40)}1`, 2, 100n],
  ])("reads %s with %i decimals", (text, decimals, minor) => {
    expect(parseAmount(text, decimals)).toBe(minor);
  });

  it.each([
    "",
    " ",
    ".",
    "12.",
    ".5",
    "-1",
    "+1",
    "1e3",
    "1E3",
    "1,000",
    "1_000",
    " 12",
    "12 ",
    "12\n",
    "0x10",
    "12.3.4",
    "NaN",
    "Infinity",
    "١٢",
    "１２",
    "1 000",
    "12.-1",
  ])("does not take %j for an amount", (text) => {
    expect(parseAmount(text, 2)).toBe("not-a-number");
  });

  it.each([
    ["12.345", 2],
    ["0.000", 2],
    ["12.0", 0],
    ["1.2345", 3],
  ])("does not round %s to %i decimals", (text, decimals) => {
    expect(parseAmount(text, decimals)).toBe("too-precise");
  });

  it.each([
    ["92233720368547758.08", 2],
    ["9223372036854775808", 0],
    ["9999999999999999999", 0],
    ["10000000000000000000", 0],
    ["1".repeat(100_000), 2],
  ])("refuses what does not fit into 64 bits: %.30s with %i decimals", (text, decimals) => {
    expect(parseAmount(text, decimals)).toBe("too-large");
  });
});

describe("formatAmount", () => {
  it.each([
    [0n, 2, "0.00"],
    [1n, 2, "0.01"],
    [-1n, 2, "-0.01"],
    [1234n, 2, "12.34"],
    [-1234n, 2, "-12.34"],
    [100n, 0, "100"],
    [-5n, 0, "-5"],
    [5n, 3, "0.005"],
    [123456n, 4, "12.3456"],
    [AMOUNT_MAX, 2, "92233720368547758.07"],
    [BALANCE_MIN, 2, "-92233720368547758.08"],
    [BALANCE_MIN, 0, "-9223372036854775808"],
  ])("writes %s with %i decimals as %s", (minor, decimals, text) => {
    expect(formatAmount(minor, decimals)).toBe(text);
  });

  it(`is read back to the same amount ${seeded("money.test.ts")}`, () => {
    const random = new Random(SEED);
    for (let i = 0; i < 20_000; i++) {
      const decimals = random.below(5);
      const bits = BigInt(random.below(64));
      const minor = BigInt.asUintN(64, (BigInt(random.word()) << 32n) ^ BigInt(random.word())) >> (64n - bits);
      expect(parseAmount(formatAmount(minor, decimals), decimals)).toBe(minor);
      expect(formatAmount(-minor, decimals)).toBe(
        minor === 0n ? formatAmount(0n, decimals) : `-${formatAmount(minor, decimals)}`,
      );
    }
  });
});

describe("fitsBalance", () => {
  it.each([
    [AMOUNT_MAX, true],
    [AMOUNT_MAX + 1n, false],
    [BALANCE_MIN, true],
    [BALANCE_MIN - 1n, false],
    [0n, true],
  ])("of %s is %s", (minor, fits) => {
    expect(fitsBalance(minor)).toBe(fits);
  });

  it("agrees with what 64 bits with a sign hold", () => {
    for (const minor of [AMOUNT_MAX, AMOUNT_MAX + 1n, BALANCE_MIN, BALANCE_MIN - 1n])
      expect(fitsBalance(minor)).toBe(BigInt.asIntN(64, minor) === minor);
  });
});

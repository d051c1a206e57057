import { describe, expect, it } from "vitest";
import { RATE_MAX } from "./limits.ts";
import { Random, SEED, seeded } from "./random.test-util.ts";
import { formatRate, parseRate } from "./rate.ts";

describe("parseRate", () => {
  it.each([
    ["0", 0],
    ["0.000000", 0],
    ["0.000001", 1],
    ["2.5", 2_500_000],
    ["12.5", 12_500_000],
    ["0.07", 70_000],
    ["99.999999", 99_999_999],
    ["100", RATE_MAX],
    ["100.000000", RATE_MAX],
    ["007.50", 7_500_000],
    [`${"0".repeat(30)}3`, 3_000_000],
  ])("reads %s", (text, rate) => {
    expect(parseRate(text)).toBe(rate);
  });

  it.each([
    "",
    " ",
    ".",
    "2.",
    ".5",
    "-0",
    "-1",
    "+1",
    "1e1",
    "0x1",
    "2,5",
    "2.5%",
    " 2",
    "2 ",
    "2\n",
    "1.2.3",
    "NaN",
    "Infinity",
    "٢",
    "２",
    // Not rounded, whatever the digits are.
    "0.0000001",
    "2.5000000",
    "100.000001",
    "101",
    "1000",
    "99999999999999999999",
  ])("does not take %j for a rate", (text) => {
    expect(parseRate(text)).toBeUndefined();
  });
});

describe("formatRate", () => {
  it.each([
    [0, "0"],
    [1, "0.000001"],
    [70_000, "0.07"],
    [2_500_000, "2.5"],
    [10_000_000, "10"],
    [99_999_999, "99.999999"],
    [RATE_MAX, "100"],
  ])("writes %i as %s", (rate, text) => {
    expect(formatRate(rate)).toBe(text);
  });

  it("throws for what is no rate", () => {
    for (const rate of [-1, 0.5, RATE_MAX + 1, Number.NaN]) expect(() => formatRate(rate)).toThrow("a rate is from 0");
  });

  it(`is what parseRate reads back ${seeded("rate.test.ts")}`, () => {
    const random = new Random(SEED);
    for (let i = 0; i < 20_000; i++) {
      const rate = random.below(RATE_MAX + 1);
      expect(parseRate(formatRate(rate))).toBe(rate);
      // And as it is with all its decimals.
      expect(parseRate((rate / 1e6).toFixed(6))).toBe(rate);
    }
  });
});

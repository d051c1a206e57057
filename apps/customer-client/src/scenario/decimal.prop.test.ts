import { AMOUNT_MAX } from "@bank/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDecimal } from "./decimal.ts";
import { MemoryScenarioBank } from "./memory-scenario-bank.test-util.ts";
import { readScenario } from "./read-scenario.ts";
import { runScenario } from "./run-scenario.ts";
import { seed, seedNote } from "./seed.test-util.ts";
import { writeOutput } from "./write-output.ts";

/** Amounts of all sizes, and how many zeros and which exponent to write them with. */
const minorUnits = fc.oneof(fc.bigInt(1n, 100_000n), fc.bigInt(1n, AMOUNT_MAX));
const spelling = fc.record({ zeros: fc.nat(5), exponent: fc.integer({ min: -25, max: 25 }), sign: fc.boolean() });

/** One of the many ways to write so many hundredths: the point stands `exponent` places further left, or right. */
function spell(minor: bigint, { zeros, exponent, sign }: { zeros: number; exponent: number; sign: boolean }): string {
  const decimals = 2 + exponent;
  const digits = (decimals < 0 ? minor * 10n ** BigInt(-decimals) : minor).toString();
  const padded = digits.padStart(Math.max(decimals, 0) + 1, "0");
  const whole = decimals > 0 ? padded.slice(0, -decimals) : padded;
  const fraction = (decimals > 0 ? padded.slice(-decimals) : "") + "0".repeat(zeros);
  const suffix = exponent === 0 ? "" : `e${sign && exponent > 0 ? "+" : ""}${exponent}`;
  return `${whole}${fraction === "" ? "" : `.${fraction}`}${suffix}`;
}

/** The same by the definition of the notation, with fractions of big integers. */
function naive(text: string): { readonly numerator: bigint; readonly denominator: bigint } {
  const [mantissa = "", exponent = "0"] = text.toLowerCase().split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const power = BigInt(exponent) - BigInt(fraction.length) + 2n;
  const digits = BigInt(whole + fraction);
  return power >= 0n
    ? { numerator: digits * 10n ** power, denominator: 1n }
    : { numerator: digits, denominator: 10n ** -power };
}

describe("amounts", () => {
  it(`are read exactly, however they are written ${seedNote}`, () => {
    fc.assert(
      fc.property(minorUnits, spelling, (minor, how) => {
        expect(parseDecimal(spell(minor, how), 2)).toBe(minor);
      }),
      { seed },
    );
  });

  it(`agree with a reading by fractions ${seedNote}`, () => {
    const digits = fc.stringMatching(/^(0|[1-9][0-9]{0,24})$/);
    const fraction = fc.stringMatching(/^(\.[0-9]{1,24})?$/);
    const exponent = fc.stringMatching(/^([eE][+-]?[0-9]{1,2})?$/);
    fc.assert(
      fc.property(digits, fraction, exponent, (whole, decimals, power) => {
        const text = whole + decimals + power;
        const { numerator, denominator } = naive(text);
        const expected =
          numerator % denominator !== 0n
            ? "too-precise"
            : numerator / denominator >= 10n ** 19n
              ? "too-large"
              : numerator / denominator;
        expect(parseDecimal(text, 2)).toBe(expected);
      }),
      { seed },
    );
  });

  it(`go through a whole run without losing a cent ${seedNote}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.bigInt(0n, AMOUNT_MAX), spelling, async (minor, how) => {
        const file = `[{"id": 1, "type": "customer", "events": [{"interface": "query"}]},
          {"id": 1, "type": "branch", "balance": ${spell(minor, how)}}]`;
        const scenario = readScenario(file, "f");
        const output = writeOutput(scenario.shape, await runScenario(scenario, new MemoryScenarioBank()));
        const written = /"balance": ([0-9.]+)\n/.exec(output)?.[1];
        expect(parseDecimal(written ?? "", 2)).toBe(minor);
        expect(written).toMatch(minor % 100n === 0n ? /^[0-9]+$/ : /^[0-9]+\.[0-9]{2}$/);
      }),
      { seed },
    );
  });
});

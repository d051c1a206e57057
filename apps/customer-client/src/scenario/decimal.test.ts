import { describe, expect, it } from "vitest";
import { parseDecimal } from "./decimal.ts";

describe("parseDecimal", () => {
  it.each([
    ["410", 41000n],
    ["410.0", 41000n],
    ["4.1e2", 41000n],
    ["4100000E-4", 41000n],
    ["0.01", 1n],
    ["1e-2", 1n],
    ["12.34", 1234n],
    ["12.3400000", 1234n],
    ["0.1", 10n],
    ["-12.34", -1234n],
    ["0", 0n],
    ["-0", 0n],
    ["0.000", 0n],
    ["0e999999999999999999999", 0n],
    ["92233720368547758.07", 9223372036854775807n],
    ["9007199254740993", 900719925474099300n],
  ])("reads %s exactly in hundredths", (text, minor) => {
    expect(parseDecimal(text, 2)).toBe(minor);
  });

  it.each([
    ["0.001", "too-precise"],
    ["1.005", "too-precise"],
    ["1e-3", "too-precise"],
    ["1e-999999999999999999999", "too-precise"],
    ["0.00000000000000000000000000001", "too-precise"],
    ["100000000000000000", "too-large"],
    ["1e17", "too-large"],
    ["1e999999999999999999999", "too-large"],
  ])("says why %s is no amount in hundredths: %s", (text, problem) => {
    expect(parseDecimal(text, 2)).toBe(problem);
  });

  it("takes time and space linear in the text", () => {
    expect(parseDecimal(`1${"0".repeat(2_000_000)}`, 2)).toBe("too-large");
    expect(parseDecimal(`0.${"0".repeat(2_000_000)}1${"0".repeat(2_000_000)}`, 2)).toBe("too-precise");
    expect(parseDecimal(`1.${"0".repeat(2_000_000)}`, 2)).toBe(100n);
  });

  it.each(["", "1.", ".5", "+1", "0x10", "1_000", "1,5", "Infinity"])(
    "throws for %j, which is no JSON number",
    (text) => {
      expect(() => parseDecimal(text, 2)).toThrow(RangeError);
    },
  );
});

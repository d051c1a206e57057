import { describe, expect, it } from "vitest";
import { currencyCodes, currencyDecimals } from "./currency.ts";

describe("currencies", () => {
  it.each([
    ["JPY", 0],
    ["KRW", 0],
    ["CLP", 0],
    ["VND", 0],
    ["XOF", 0],
    ["UGX", 0],
    ["USD", 2],
    ["EUR", 2],
    ["CHF", 2],
    ["HUF", 2],
    ["IDR", 2],
    ["MRU", 2],
    ["MGA", 2],
    ["ZWG", 2],
    ["KWD", 3],
    ["BHD", 3],
    ["IQD", 3],
    ["TND", 3],
    ["CLF", 4],
    ["UYW", 4],
  ])("%s has %i decimals", (code, decimals) => {
    expect(currencyDecimals(code)).toBe(decimals);
  });

  it.each(["", "usd", "Usd", "XXX", "XTS", "XAU", "US", "USDT", "DEM", "BTC", " USD", "__proto__", "constructor"])(
    "%j is none",
    (code) => {
      expect(currencyDecimals(code)).toBeUndefined();
    },
  );

  it("are known by three capitals each, listed once and in ascending order", () => {
    const codes = currencyCodes();
    for (const code of codes) expect(code).toMatch(/^[A-Z]{3}$/);
    for (let i = 1; i < codes.length; i++) expect((codes[i - 1] as string) < (codes[i] as string)).toBe(true);
  });

  it("have a table that loses and gains no code unnoticed", () => {
    const counts = new Map<number, number>();
    for (const code of currencyCodes()) {
      const decimals = currencyDecimals(code) as number;
      counts.set(decimals, (counts.get(decimals) ?? 0) + 1);
    }
    expect(Object.fromEntries(counts)).toEqual({ 0: 17, 2: 132, 3: 7, 4: 2 });
  });

  it("have at most the decimals with which a balance can still be written and read", () => {
    for (const code of currencyCodes()) expect(currencyDecimals(code)).toBeLessThanOrEqual(4);
  });
});

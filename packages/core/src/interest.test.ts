import { describe, expect, it } from "vitest";
import { interestOn } from "./interest.ts";
import { AMOUNT_MAX, RATE_MAX } from "./limits.ts";

describe("interestOn", () => {
  it.each([
    // 12.5 % of 95.30 is 11.9125; 2.5 % of 500.00 is 12.50.
    [9_530n, 12_500_000, 1_191n],
    [50_000n, 2_500_000, 1_250n],
    // Exactly half: to the even neighbour, whichever that is.
    [1n, 50_000_000, 0n],
    [3n, 50_000_000, 2n],
    [5n, 50_000_000, 2n],
    [7n, 50_000_000, 4n],
    // Just below and above half.
    [1n, 50_000_001, 1n],
    [1n, 49_999_999, 0n],
    [0n, RATE_MAX, 0n],
    [123n, 0, 0n],
    [1n, 1, 0n],
    [AMOUNT_MAX, RATE_MAX, AMOUNT_MAX],
  ])("of %d at %d millionths of a percent is %d", (balance, rate, interest) => {
    expect(interestOn(balance, rate)).toBe(interest);
  });
});

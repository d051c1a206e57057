import { describe, expect, it } from "vitest";
import { EPOCHS_PER_LINE, isPlausibleEpoch, nextLine } from "./epoch.ts";

describe("numbers of epochs", () => {
  it("leave room for a bank that starts again and again before the line that replaced it", () => {
    expect(nextLine(0)).toBe(EPOCHS_PER_LINE);
    expect(nextLine(7)).toBe(EPOCHS_PER_LINE);
    expect(nextLine(EPOCHS_PER_LINE - 1)).toBe(EPOCHS_PER_LINE);
    // The first of a line leaves that very line behind, too.
    expect(nextLine(EPOCHS_PER_LINE)).toBe(2 * EPOCHS_PER_LINE);
    expect(nextLine(EPOCHS_PER_LINE + 1)).toBe(2 * EPOCHS_PER_LINE);
  });

  it("are whole, from 1, and not further ahead than a hundred promotions", () => {
    expect(isPlausibleEpoch(1, 7)).toBe(true);
    expect(isPlausibleEpoch(nextLine(7), 7)).toBe(true);
    expect(isPlausibleEpoch(7 + 100 * EPOCHS_PER_LINE, 7)).toBe(true);
    for (const epoch of [0, -1, 1.5, Number.NaN, 8 + 100 * EPOCHS_PER_LINE, Number.MAX_SAFE_INTEGER])
      expect(isPlausibleEpoch(epoch, 7), String(epoch)).toBe(false);
  });
});

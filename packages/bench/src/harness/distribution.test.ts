import { describe, expect, it } from "vitest";
import { AccountChooser, type Distribution, QuickRandom, Zipfian } from "./distribution.ts";

const DRAWS = 200_000;

function counts(draw: () => number): Map<number, number> {
  const counted = new Map<number, number>();
  for (let i = 0; i < DRAWS; i++) {
    const value = draw();
    counted.set(value, (counted.get(value) ?? 0) + 1);
  }
  return counted;
}

describe("zipfian ranks", () => {
  it("come as often as they should", () => {
    const zipfian = new Zipfian(1_000);
    const random = new QuickRandom(5);
    const counted = counts(() => zipfian.rank(random.fraction()));
    for (const rank of [0, 1]) {
      const part = (counted.get(rank) ?? 0) / DRAWS;
      expect(Math.abs(part / zipfian.share(rank) - 1)).toBeLessThan(0.05);
    }
    // The method is exact for the first two ranks and near for the others: a hundred of them together.
    let expected = 0;
    let seen = 0;
    for (let rank = 2; rank < 102; rank++) {
      expected += zipfian.share(rank);
      seen += (counted.get(rank) ?? 0) / DRAWS;
    }
    expect(Math.abs(seen / expected - 1)).toBeLessThan(0.1);
  });

  it("stay in their range at both ends", () => {
    const zipfian = new Zipfian(10);
    expect(zipfian.rank(0)).toBe(0);
    expect(zipfian.rank(1 - 2 ** -32)).toBeLessThan(10);
    expect(zipfian.rank(1 - 2 ** -32)).toBeGreaterThan(7);
  });
});

describe("a chooser of accounts", () => {
  it.each<Distribution>(["uniform", "zipfian", "hot"])(
    "gives two different accounts that exist: %s",
    (distribution) => {
      const chooser = new AccountChooser(10, distribution, new QuickRandom(7));
      for (let i = 0; i < 2_000; i++) {
        const first = chooser.first();
        const second = chooser.other(first);
        expect(first).not.toBe(second);
        for (const account of [first, second, chooser.one()]) {
          expect(account).toBeGreaterThanOrEqual(1);
          expect(account).toBeLessThanOrEqual(10);
        }
      }
    },
  );

  it("has the hot account pay half of the time and receive the other half", () => {
    const chooser = new AccountChooser(100, "hot", new QuickRandom(7));
    let paid = 0;
    for (let i = 0; i < 100; i++) {
      const first = chooser.first();
      if (first === 1) paid++;
      else expect(chooser.other(first)).toBe(1);
    }
    expect(paid).toBe(50);
  });

  it("reaches every account where all are alike", () => {
    const chooser = new AccountChooser(50, "uniform", new QuickRandom(9));
    const counted = counts(() => chooser.one());
    expect(counted.size).toBe(50);
    for (const times of counted.values()) expect(Math.abs(times / (DRAWS / 50) - 1)).toBeLessThan(0.1);
  });

  it("gives every rank an account of its own", () => {
    const chooser = new AccountChooser(1_000, "zipfian", new QuickRandom(3));
    const counted = counts(() => chooser.one());
    const wanted = [...counted.entries()]
      .sort(([, a], [, b]) => b - a)
      .slice(0, 5)
      .map(([account]) => account);
    expect(counted.size).toBeGreaterThan(900);
    // No two of the most wanted ones are neighbours.
    for (const a of wanted) for (const b of wanted) if (a !== b) expect(Math.abs(a - b)).toBeGreaterThan(1);
  });
});

import { describe, expect, it } from "vitest";
import { InvariantError } from "../assert.ts";
import { Random, SEED, seeded } from "../random.test-util.ts";
import { ExpiryQueue } from "./expiry-queue.ts";

describe("ExpiryQueue", () => {
  it(`gives holds in the order of time, then of index, whoever leaves in between ${seeded("ledger/expiry-queue.test.ts")}`, () => {
    const random = new Random(SEED);
    for (let round = 0; round < 20; round++) {
      const times = Array.from({ length: 400 }, () => random.below(50));
      const queue = new ExpiryQueue((hold) => times[hold] as number);
      const twin = new Set<number>();
      for (let step = 0; step < 2_000; step++) {
        const hold = random.below(times.length);
        if (twin.delete(hold)) queue.remove(hold);
        else {
          // When a hold comes in, its time may be another than last time.
          times[hold] = random.below(50);
          twin.add(hold);
          queue.add(hold);
        }
        const byTime = (a: number, b: number) => (times[a] as number) - (times[b] as number) || a - b;
        if (step % 10 === 0) expect(queue.first()).toBe([...twin].sort(byTime)[0]);
        expect(queue.size).toBe(twin.size);
      }
    }
  });

  it("takes a hold once, and lets go only of one that it has", () => {
    const queue = new ExpiryQueue(() => 1);
    queue.add(3);
    expect(() => queue.add(3)).toThrow(InvariantError);
    expect(() => queue.remove(2)).toThrow(InvariantError);
    expect(() => queue.remove(100_000)).toThrow(InvariantError);
    queue.remove(3);
    expect(queue.first()).toBeUndefined();
    expect(() => queue.remove(3)).toThrow(InvariantError);
  });
});

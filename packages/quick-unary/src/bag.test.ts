import fc from "fast-check";
import { expect, it } from "vitest";
import { Bag, type Bagged } from "./bag.ts";

interface Ball extends Bagged {
  readonly number: number;
}

const NUMBERS = 6;

it("has those that were added and not deleted, as a set does", () => {
  const step = fc.record({ number: fc.nat(NUMBERS - 1), isAdded: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const balls = Array.from({ length: NUMBERS }, (_, number): Ball => ({ number }));
      const bag = new Bag<Ball>();
      const set = new Set<Ball>();
      for (const { number, isAdded } of steps) {
        const ball = balls[number] as Ball;
        if (isAdded) bag.add(ball);
        else bag.delete(ball);
        if (isAdded) set.add(ball);
        else set.delete(ball);
        expect(bag.size).toBe(set.size);
        expect(new Set(bag.filter(() => true))).toEqual(set);
        for (const each of balls) expect(each.place === undefined).toBe(!set.has(each));
      }
    }),
  );
});

it("gives those that fit, and the others stay", () => {
  const bag = new Bag<Ball>();
  for (let number = 0; number < 5; number++) bag.add({ number });
  const even = bag.filter(({ number }) => number % 2 === 0);
  expect(even.map(({ number }) => number).sort()).toEqual([0, 2, 4]);
  for (const one of even) bag.delete(one);
  expect(bag.filter(() => true)).toHaveLength(2);
});

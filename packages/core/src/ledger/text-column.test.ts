import { describe, expect, it } from "vitest";
import { InvariantError } from "../assert.ts";
import { Random, SEED, seeded } from "../random.test-util.ts";
import { SparseColumn } from "./sparse-column.ts";
import { TextColumn } from "./text-column.ts";

function randomText(random: Random): string {
  const length = random.chance(2) ? 10_000 : random.below(30);
  const highest = random.pick([0x7f, 0xff, 0x100, 0xffff]);
  return String.fromCharCode(...Array.from({ length }, () => random.below(highest + 1)));
}

describe("TextColumn", () => {
  it(`gives every text back, whatever was put in its place before ${seeded("ledger/text-column.test.ts")}`, () => {
    const random = new Random(SEED);
    const column = new TextColumn();
    const twin: string[] = [];
    for (let step = 0; step < 4_000; step++) {
      // Now and then some are taken away, over the border of a page too.
      if (random.chance(2)) twin.length = Math.max(0, twin.length - random.below(30));
      const text = randomText(random);
      column.put(twin.length, text);
      twin.push(text);
      expect(column.length).toBe(twin.length);
    }
    expect(twin.length).toBeGreaterThan(2_048);
    expect(Array.from(twin, (_, index) => column.at(index)).every((text, i) => text === twin[i])).toBe(true);
    expect(() => column.at(twin.length)).toThrow(InvariantError);
    expect(() => column.put(twin.length + 1, "")).toThrow(InvariantError);
  });
});

describe("SparseColumn", () => {
  it(`is a map by index, and as it was where it is frozen ${seeded("ledger/text-column.test.ts")}`, () => {
    const random = new Random(SEED + 1);
    const column = new SparseColumn<number>();
    const twin = new Map<number, number>();
    const frozen: { view: { at(index: number): number | undefined }; was: Map<number, number> }[] = [];
    for (let step = 0; step < 3_000; step++) {
      const index = random.pick([random.below(100), random.below(5_000), 60_000]);
      const value = random.chance(20) ? undefined : step;
      column.set(index, value);
      if (value === undefined) twin.delete(index);
      else twin.set(index, value);
      if (random.chance(1)) frozen.push({ view: column.freeze(), was: new Map(twin) });
    }
    for (const { view, was } of [...frozen, { view: column, was: twin }])
      for (let index = 0; index < 5_100; index++) if (view.at(index) !== was.get(index)) expect.fail(`at ${index}`);
    expect([column.at(60_001), column.at(1_000_000)]).toEqual([undefined, undefined]);
    expect(frozen.length).toBeGreaterThan(5);
  });
});

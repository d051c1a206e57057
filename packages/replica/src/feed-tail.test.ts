import type { StoredBatch } from "@bank/store";
import { describe, expect, test } from "vitest";
import { FeedTail } from "./feed-tail.ts";

const MIB = 1024 * 1024;

/** Batch `number`, from 1, of `records` records each. */
function batch(number: number, records: number, frame: Uint8Array): StoredBatch {
  const lastPosition = number * records;
  const hash = new Uint8Array(0);
  return { firstPosition: lastPosition - records + 1, lastPosition, frame, previousHash: hash, chainHash: hash };
}

/** Last positions of what a follower at a position gets. */
function handed(tail: FeedTail, position: number): number[] | undefined {
  return tail.behind(position)?.map(({ lastPosition }) => lastPosition);
}

describe("the tail of a feed", () => {
  test("has the batches behind any position, the very same for everybody", () => {
    const tail = new FeedTail();
    const batches = Array.from({ length: 10 }, (_, i) => batch(i + 1, 3, new Uint8Array(100)));
    for (const one of batches) tail.push(one);
    for (let position = 0; position < 30; position++) {
      const expected = batches.slice(Math.floor(position / 3));
      expect(tail.behind(position)?.every((one, i) => one === expected[i])).toBe(true);
      expect(tail.behind(position)).toHaveLength(expected.length);
    }
    expect(tail.behind(30)).toBeUndefined();
    expect(new FeedTail().behind(0)).toBeUndefined();
  });

  test("drops the oldest beyond its bytes, however small or large they are, but never the newest", () => {
    for (const [length, kept] of [
      [MIB, 31],
      [10_000, 3_192],
      [40 * MIB, 1],
    ] as const) {
      const tail = new FeedTail();
      // The memory of all of them, which is only counted.
      const frame = new Uint8Array(length);
      for (let number = 1; number <= 3 * kept + 1; number++) {
        tail.push(batch(number, 2, frame));
        const oldest = Math.max(number - kept, 0);
        expect(handed(tail, 2 * oldest)?.[0]).toBe(2 * oldest + 2);
        if (oldest > 0) expect(handed(tail, 2 * oldest - 2)).toBeUndefined();
      }
    }
  });

  test("hands out no more at a time than a slow follower may keep, and at least one batch", () => {
    const tail = new FeedTail();
    for (let number = 1; number <= 8; number++) tail.push(batch(number, 1, new Uint8Array(0.4 * MIB)));
    tail.push(batch(9, 1, new Uint8Array(3 * MIB)));
    expect(handed(tail, 0)).toEqual([1, 2, 3]);
    expect(handed(tail, 6)).toEqual([7, 8, 9]);
    expect(handed(tail, 8)).toEqual([9]);
  });
});

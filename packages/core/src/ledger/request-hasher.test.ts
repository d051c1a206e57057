import { describe, expect, it } from "vitest";
import { Random, SEED, seeded } from "../random.test-util.ts";
import { RequestHasher } from "./request-hasher.ts";

const SEEDS = 64;

describe("RequestHasher", () => {
  it("is the same for the same seed, and another for another", () => {
    const words = Int32Array.of(1, 2, 3, 4);
    const hashes = Array.from({ length: SEEDS }, (_, seed) => new RequestHasher(seed).hash(0, words, 0));
    expect(new RequestHasher(5).hash(0, words, 0)).toBe(hashes[5]);
    expect(new Set(hashes).size).toBe(SEEDS);
  });

  it("reads the four words that begin where it is told", () => {
    const hasher = new RequestHasher(1);
    expect(hasher.hash(3, Int32Array.of(9, 9, 1, 2, 3, 4, 9), 2)).toBe(hasher.hash(3, Int32Array.of(1, 2, 3, 4), 0));
  });

  it("depends on every bit of the principal and of the id", () => {
    const hasher = new RequestHasher(SEED);
    const original = hasher.hash(0, Int32Array.of(0, 0, 0, 0), 0);
    for (let bit = 0; bit < 32; bit++) {
      expect(hasher.hash(1 << bit, Int32Array.of(0, 0, 0, 0), 0)).not.toBe(original);
      for (let word = 0; word < 4; word++) {
        const words = new Int32Array(4);
        words[word] = 1 << bit;
        expect(hasher.hash(0, words, 0)).not.toBe(original);
      }
    }
  });

  // Multiplying by an odd number keeps a difference in the highest bit where it is, whatever the seed: with such a hash
  // ids collided in every process when bit 31 of one word and bits 31 and 16 of the next were flipped.
  it("has no differences that cancel under every seed", () => {
    const highBits = [31, 30, 29, 28, 16, 15, 14, 0].map((bit) => 1 << bit);
    const differences = highBits.flatMap((x) => highBits.flatMap((y) => highBits.map((z) => [x, y, z ^ y] as const)));
    const collisions = differences.map(() => 0);
    for (let seed = 0; seed < SEEDS; seed++) {
      const hasher = new RequestHasher(seed);
      const original = hasher.hash(0, Int32Array.of(17, 5, 3, 9), 0);
      differences.forEach(([x, y, z], i) => {
        if (hasher.hash(0, Int32Array.of(17 ^ x, 5 ^ y, 3 ^ z, 9), 0) === original)
          collisions[i] = (collisions[i] as number) + 1;
      });
    }
    expect(Math.max(...collisions)).toBeLessThan(2);
  });

  it(`fills the low bits evenly, for ids that count up and for random ones ${seeded("ledger/request-hasher.test.ts")}`, () => {
    const random = new Random(SEED);
    const hasher = new RequestHasher(SEED);
    for (const next of [
      (i: number) => Int32Array.of(i, 0, 0, 0),
      () => Int32Array.from({ length: 4 }, () => random.word()),
    ]) {
      const counts = new Array<number>(1024).fill(0);
      for (let i = 0; i < 65_536; i++) {
        const slot = hasher.hash(0, next(i), 0) & 1023;
        counts[slot] = (counts[slot] as number) + 1;
      }
      // 64 are expected in each.
      expect(Math.max(...counts)).toBeLessThan(64 * 4);
      expect(counts.filter((count) => count === 0).length).toBeLessThan(512);
    }
  });
});

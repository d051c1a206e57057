import { describe, expect, it } from "vitest";
import { InvariantError } from "../assert.ts";
import { Random, SEED, seeded } from "../random.test-util.ts";
import { type IndexedEntries, RequestIndex } from "./request-index.ts";

/** A segment that is this full is split. */
const SEGMENT_ENTRIES_MAX = 1720;

/** Entries that are nothing but a hash, and an index over them. */
class Indexed implements IndexedEntries {
  readonly hashes: number[] = [];
  readonly index = new RequestIndex(this);
  /** How many entries were ever looked at. */
  lookedAt = 0;
  private sought = -1;

  isSought(entry: number): boolean {
    this.lookedAt++;
    return entry === this.sought;
  }

  add(hash: number): void {
    this.index.add(hash, this.hashes.length);
    this.hashes.push(hash);
  }

  removeNewest(): void {
    const entry = this.hashes.length - 1;
    this.index.remove(this.hashes[entry] as number, entry);
    this.hashes.pop();
  }

  find(entry: number, hash = this.hashes[entry] as number): number {
    this.sought = entry;
    return this.index.find(hash);
  }

  /** How many of the entries from this one on are not found, or as another. */
  missing(from = 0): number {
    let missing = 0;
    for (let entry = from; entry < this.hashes.length; entry++) if (this.find(entry) !== entry) missing++;
    return missing;
  }
}

/** Hashes that an even spread never gives: each makes one part of the index as bad as it can be. */
const UNEVEN: Readonly<Record<string, (random: Random) => number>> = {
  "are spread": (random) => random.word(),
  "begin at the same slot of every segment": (random) => random.word() & ~2047,
  "begin at the last slots of every segment": (random) => random.word() | 2040,
  "are mostly in a small part of the directory": (random) => (random.chance(90) ? random.word() >>> 9 : random.word()),
  "are at both ends of the directory": (random) => random.word() >> 6,
};

describe("RequestIndex", () => {
  for (const [name, next] of Object.entries(UNEVEN)) {
    it(`finds every entry where hashes ${name} ${seeded("ledger/request-index.test.ts")}`, () => {
      const random = new Random(SEED);
      const indexed = new Indexed();
      while (indexed.hashes.length < 12_000) {
        indexed.add(next(random));
        if (indexed.hashes.length % 1_500 === 0) expect(indexed.missing()).toBe(0);
      }
      // Each is the only one that is looked for, so whatever else is found is wrong.
      for (let n = 0; n < 2_000; n++) expect(indexed.find(indexed.hashes.length, next(random))).toBe(-1);
    });

    it(`takes back any entry, whatever came behind it, where hashes ${name} ${seeded("ledger/request-index.test.ts")}`, () => {
      const random = new Random(SEED);
      const indexed = new Indexed();
      while (indexed.hashes.length < 3_000) indexed.add(next(random));
      const left = new Set(indexed.hashes.keys());
      while (left.size > 0) {
        for (let n = 0; n < 200 && left.size > 0; n++) {
          const entry = random.pick([...left].slice(0, 50));
          indexed.index.remove(indexed.hashes[entry] as number, entry);
          left.delete(entry);
        }
        for (const entry of indexed.hashes.keys())
          if (indexed.find(entry) !== (left.has(entry) ? entry : -1)) throw new Error(`entry ${entry} is wrong`);
      }
    });

    it(`is the same whether entries are added one by one or at once, where hashes ${name} ${seeded("ledger/request-index.test.ts")}`, () => {
      const random = new Random(SEED);
      const indexed = new Indexed();
      for (let n = 0; n < 100; n++) indexed.add(next(random));
      const hashes = Int32Array.from({ length: 9_000 }, () => next(random));
      indexed.index.addAll(hashes, 100);
      indexed.hashes.push(...hashes);
      expect(indexed.missing()).toBe(0);
      for (let n = 0; n < 2_000; n++) indexed.add(next(random));
      expect(indexed.missing()).toBe(0);
      for (let n = 0; n < 2_000; n++) expect(indexed.find(indexed.hashes.length, next(random))).toBe(-1);
      while (indexed.hashes.length > 5_000) indexed.removeNewest();
      expect(indexed.missing()).toBe(0);
    });

    // An empty slot is remembered from a look-up for the insert behind it, and must be forgotten when anything changes.
    it(`adds right where it has looked, where hashes ${name} ${seeded("ledger/request-index.test.ts")}`, () => {
      const random = new Random(SEED);
      const indexed = new Indexed();
      for (let n = 0; n < 6_000; n++) {
        const hash = next(random);
        expect(indexed.find(indexed.hashes.length, hash)).toBe(-1);
        if (random.chance(20)) indexed.add(random.chance(50) ? hash : next(random));
        if (random.chance(20)) indexed.find(indexed.hashes.length, next(random));
        if (random.chance(20) && indexed.hashes.length > 0) indexed.removeNewest();
        if (random.chance(20)) indexed.index.touch(Int32Array.of(hash, next(random)), 2);
        indexed.add(hash);
      }
      expect(indexed.missing()).toBe(0);
    });

    it(`takes entries back across splits where hashes ${name} ${seeded("ledger/request-index.test.ts")}`, () => {
      const random = new Random(SEED);
      const indexed = new Indexed();
      for (const size of [1_719, 1_720, 1_721, 3_500, 8_000]) {
        while (indexed.hashes.length < size) indexed.add(next(random));
        // Far enough that what is taken back was moved by a split since it was added.
        const left = Math.floor(size / 3);
        while (indexed.hashes.length > left) {
          const hash = indexed.hashes.at(-1) as number;
          indexed.removeNewest();
          if (indexed.find(indexed.hashes.length, hash) !== -1)
            throw new Error("an entry is there that was taken back");
          if (indexed.hashes.length % 97 === 0) expect(indexed.missing()).toBe(0);
        }
      }
      while (indexed.hashes.length > 0) indexed.removeNewest();
      expect(indexed.index.find(next(random))).toBe(-1);
    });
  }

  it("refuses to take back what is not there", () => {
    const indexed = new Indexed();
    expect(() => indexed.index.remove(1, 0)).toThrow(InvariantError);
    indexed.add(1);
    expect(() => indexed.index.remove(1, 1)).toThrow(InvariantError);
    indexed.index.remove(1, 0);
    expect(() => indexed.index.remove(1, 0)).toThrow(InvariantError);
  });

  // An entry is somewhere in hundreds of megabytes: looking at one costs more than all the rest.
  it(`looks at hardly any entry but the one that is sought ${seeded("ledger/request-index.test.ts")}`, () => {
    const random = new Random(SEED);
    const indexed = new Indexed();
    while (indexed.hashes.length < SEGMENT_ENTRIES_MAX) indexed.add(random.word());
    for (let n = 0; n < 10_000; n++) indexed.find(-1, random.word());
    expect(indexed.lookedAt).toBeLessThan(2);
    indexed.lookedAt = 0;
    expect(indexed.missing()).toBe(0);
    expect(indexed.lookedAt).toBeLessThan(SEGMENT_ENTRIES_MAX + 2);
  });

  it("holds as many of one hash as a segment has room for, and refuses one more without losing any", () => {
    const indexed = new Indexed();
    for (let n = 0; n < SEGMENT_ENTRIES_MAX; n++) indexed.add(0x1234_5678);
    expect(() => indexed.add(0x1234_5678)).toThrow(InvariantError);
    expect(indexed.missing()).toBe(0);
    expect(indexed.find(SEGMENT_ENTRIES_MAX, 0x1234_5678)).toBe(-1);
  });

  // The whole index doubled at one insert once, which took 0.8 s at six million entries.
  it(`moves one segment at an insert, and about as many at any time ${seeded("ledger/request-index.test.ts")}`, () => {
    const random = new Random(SEED);
    const indexed = new Indexed();
    const movedAt: number[] = [];
    let most = 0;
    for (let n = 0; n < 600_000; n++) {
      const before = indexed.index.moved;
      indexed.add(random.word());
      most = Math.max(most, indexed.index.moved - before);
      if ((n + 1) % 30_000 === 0) movedAt.push(indexed.index.moved);
    }
    expect(most).toBe(SEGMENT_ENTRIES_MAX);
    // From 150,000 on the index doubles twice. Were all parts of the directory alike, nothing would be moved for long,
    // and then five entries with each insert.
    for (let i = 5; i < movedAt.length; i++) {
      const perInsert = ((movedAt[i] as number) - (movedAt[i - 1] as number)) / 30_000;
      expect(perInsert).toBeGreaterThan(0.4);
      expect(perInsert).toBeLessThan(2.5);
    }
    expect(indexed.missing(590_000)).toBe(0);
  });

  it(`takes 13 to 15.5 bytes an entry at any time ${seeded("ledger/request-index.test.ts")}`, () => {
    const random = new Random(SEED);
    const indexed = new Indexed();
    const bytesPerEntry: number[] = [];
    for (let n = 0; n < 400_000; n++) {
      indexed.add(random.word());
      if (n >= 150_000 && n % 1_000 === 0) bytesPerEntry.push(indexed.index.bytes / n);
    }
    expect(Math.min(...bytesPerEntry)).toBeGreaterThan(13);
    expect(Math.max(...bytesPerEntry)).toBeLessThan(15.5);
  });

  it(`moves hardly anything up to what it was laid out for ${seeded("ledger/request-index.test.ts")}`, () => {
    const random = new Random(SEED);
    for (const entries of [0, 1, 1_640, 1_641, 3_280, 5_000, 40_000, 70_000, 100_000]) {
      const indexed = new Indexed();
      indexed.index.reserve(entries);
      const { bytes } = indexed.index;
      for (let n = 0; n < entries; n++) indexed.add(random.word());
      // One segment in fifty is far from the mean.
      expect(indexed.index.moved).toBeLessThanOrEqual(4 * SEGMENT_ENTRIES_MAX);
      expect(indexed.missing()).toBe(0);
      if (entries >= 40_000) expect(bytes / entries).toBeLessThan(17);
      // And it grows further.
      for (let n = 0; n < 5_000; n++) indexed.add(random.word());
      expect(indexed.missing()).toBe(0);
    }
    const used = new Indexed();
    used.add(1);
    expect(() => used.index.reserve(10)).toThrow(InvariantError);
  });
});

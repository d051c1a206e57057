import { describe, expect, it } from "vitest";
import { toHex } from "../identifiers.ts";
import { Random, SEED, seeded } from "../random.test-util.ts";
import { Digest, TermHasher } from "./term-hasher.ts";

type Lanes = readonly [a: number, b: number, c: number, d: number];

function lanes(fill: (term: TermHasher) => TermHasher): Lanes {
  const term = fill(new TermHasher());
  return [term.a, term.b, term.c, term.d];
}

/** The same hash once more in plain arithmetic on whole numbers: slow, and with nothing to overflow. */
function naiveLanes(words: readonly number[]): Lanes {
  const two32 = 1n << 32n;
  const unsigned = (value: bigint) => ((value % two32) + two32) % two32;
  const lane = (seed: bigint, factor: bigint, rotation: bigint, step: bigint): bigint => {
    let state = seed;
    for (const word of words) {
      const product = unsigned((state ^ unsigned(BigInt(word))) * factor);
      state = unsigned(product * (1n << rotation)) + product / (1n << (32n - rotation));
      state = unsigned(state + step);
    }
    state ^= state >> 16n;
    state = unsigned(state * 0x85eb_ca6bn);
    state ^= state >> 13n;
    state = unsigned(state * 0xc2b2_ae35n);
    return state ^ (state >> 16n);
  };
  const a = lane(0x2f6b_1c2dn, 0x85eb_ca6bn, 13n, 0x52dc_e729n);
  const b = lane(0x4c95_7f2dn, 0xc2b2_ae35n, 15n, 0x3849_5ab5n);
  const c = lane(0x71d6_7fffn, 0x27d4_eb2fn, 17n, 0x2b5f_cd13n);
  const d = lane(0x0eda_44dfn, 0x1656_67b1n, 11n, 0x5bd1_e995n);
  const sum = a + b + c + d;
  const signed = (value: bigint) => Number(BigInt.asIntN(32, value));
  return [signed(sum), signed(sum + b), signed(sum + c), signed(sum + d)];
}

describe("TermHasher", () => {
  // These numbers stand in journals for ever: whoever has to change one of them has broken every journal there is.
  it.each<[string, (term: TermHasher) => TermHasher, Lanes]>([
    ["an empty entry", (t) => t.begin(0).finish(), [-629179775, 1410202975, 193164378, -274496062]],
    ["a kind", (t) => t.begin(1).finish(), [-457763084, -614091081, -465975040, 562687841]],
    [
      "words",
      (t) => t.begin(2).word(7).word(-1).word(0x8000_0000).finish(),
      [2100031287, 1298285061, 7856590, 1069477367],
    ],
    [
      "an integer",
      (t) => t.begin(3).integer(Number.MAX_SAFE_INTEGER).finish(),
      [842349751, 351203138, -1590468788, -388539348],
    ],
    ["a negative integer", (t) => t.begin(3).integer(-5).finish(), [1666775134, 1791323091, -235704360, 1158059473]],
    [
      "the smallest 64-bit integer",
      (t) =>
        t
          .begin(4)
          .int64(-(2n ** 63n))
          .finish(),
      [-993141111, -1547878399, 1000769789, -1777498976],
    ],
    ["a text", (t) => t.begin(5).text("Zoë 😀").finish(), [-241321172, -1845900334, 128064733, -1295213198]],
    [
      "bytes",
      (t) =>
        t
          .begin(6)
          .bytes(Uint8Array.of(0, 127, 128, 255))
          .finish(),
      [-782249827, -495965489, 1948495242, 1163136328],
    ],
  ])("gives the pinned lanes for %s", (_, fill, expected) => {
    expect(lanes(fill)).toEqual(expected);
  });

  it.each<[string, (term: TermHasher) => TermHasher, readonly number[]]>([
    ["an integer: its low word, then its high word", (t) => t.begin(9).integer(2 ** 40 + 3), [9, 3, 256]],
    ["an integer of more than 31 bits", (t) => t.begin(9).integer(0xffff_fffe), [9, 0xffff_fffe, 0]],
    ["a negative integer, sign-extended", (t) => t.begin(9).integer(-2), [9, -2, -1]],
    ["a 64-bit integer like an integer", (t) => t.begin(9).int64(2n ** 40n + 3n), [9, 3, 256]],
    ["a negative 64-bit integer", (t) => t.begin(9).int64(-2n), [9, -2, -1]],
    ["a text with its length before it", (t) => t.begin(9).text("é😀"), [9, 3, 0xe9, 0xd83d, 0xde00]],
    ["bytes with their number before them", (t) => t.begin(9).bytes(Uint8Array.of(255, 0)), [9, 2, 255, 0]],
  ])("folds in %s", (_, fill, words) => {
    expect(lanes((term) => fill(term).finish())).toEqual(naiveLanes(words));
  });

  it(`agrees with plain arithmetic ${seeded("ledger/term-hasher.test.ts")}`, () => {
    const random = new Random(SEED);
    for (let i = 0; i < 2000; i++) {
      const words = Array.from({ length: 1 + random.below(12) }, () => (random.chance(20) ? 0 : random.word()));
      const [kind, ...rest] = words as [number, ...number[]];
      expect(lanes((term) => rest.reduce((t, word) => t.word(word), term.begin(kind)).finish())).toEqual(
        naiveLanes(words),
      );
    }
  });

  it("gives the same however the object was used before", () => {
    const term = new TermHasher();
    const first = lanes(() => term.begin(1).text("x").finish());
    term.begin(5).int64(99n);
    expect(lanes(() => term.begin(1).text("x").finish())).toEqual(first);
  });

  it("changes every lane, by about half of its bits, when one bit of the input changes", () => {
    const words = [3, 0, -1, 123_456_789, 0x8000_0000];
    const original = naiveLanes(words);
    const flipped = [0, 0, 0, 0];
    for (let word = 0; word < words.length; word++)
      for (let bit = 0; bit < 32; bit++) {
        const changed = words.map((value, i) => (i === word ? value ^ (1 << bit) : value));
        const [kind, ...rest] = changed as [number, ...number[]];
        const result = lanes((term) => rest.reduce((t, value) => t.word(value), term.begin(kind)).finish());
        for (let lane = 0; lane < 4; lane++) {
          const difference = (result[lane] as number) ^ (original[lane] as number);
          expect(difference).not.toBe(0);
          flipped[lane] = (flipped[lane] as number) + bitCount(difference);
        }
      }
    for (const bits of flipped) expect(bits / (words.length * 32)).toSatisfy((mean: number) => mean > 14 && mean < 18);
  });

  // Adding each lane to its neighbour once made a − b + c − d zero for every entry: 96 bits called 128.
  it("has no lane that follows from the others", () => {
    const terms = Array.from({ length: 8 }, (_, i) => lanes((term) => term.begin(1).word(i).finish()));
    const factors = [-2, -1, 0, 1, 2];
    for (const fa of factors)
      for (const fb of factors)
        for (const fc of factors)
          for (const fd of factors) {
            if (fa === 0 && fb === 0 && fc === 0 && fd === 0) continue;
            const sums = terms.map(([a, b, c, d]) => (fa * a + fb * b + fc * c + fd * d) | 0);
            expect(new Set(sums).size, `${fa}a + ${fb}b + ${fc}c + ${fd}d`).toBeGreaterThan(1);
          }
  });

  it("keeps entries of different kinds apart, whatever their first field is", () => {
    const seen = new Set<string>();
    for (let kind = 0; kind < 16; kind++)
      for (let word = 0; word < 64; word++) seen.add(lanes((term) => term.begin(kind).word(word).finish()).join());
    expect(seen.size).toBe(16 * 64);
  });

  it("tells apart what only the border between two fields tells apart", () => {
    const pairs: [string, string][] = [
      ["", "ab"],
      ["a", "b"],
      ["ab", ""],
      ["a\u0001b", ""],
      ["", "a\u0001b"],
    ];
    const seen = new Set(pairs.map(([x, y]) => lanes((term) => term.begin(1).text(x).text(y).finish()).join()));
    expect(seen.size).toBe(pairs.length);
  });
});

describe("Digest", () => {
  const none = new TermHasher();
  const term = (n: number) => new TermHasher().begin(1).word(n).finish();

  it("is the sum of its entries, lane by lane, as little-endian bytes", () => {
    const digest = new Digest();
    digest.add(term(1));
    digest.add(term(2));
    const view = new DataView(digest.bytesWith(term(3)).buffer);
    for (const [at, lane] of [
      [0, "a"],
      [4, "b"],
      [8, "c"],
      [12, "d"],
    ] as const)
      expect(view.getInt32(at, true)).toBe((term(1)[lane] + term(2)[lane] + term(3)[lane]) | 0);
  });

  it("does not depend on the order of its entries", () => {
    const numbers = Array.from({ length: 100 }, (_, i) => i);
    const digestOf = (order: readonly number[]) => {
      const digest = new Digest();
      for (const n of order) digest.add(term(n));
      return toHex(digest.bytesWith(none));
    };
    const shuffled = [...numbers].sort((a, b) => ((a * 37) % 100) - ((b * 37) % 100));
    expect(shuffled).not.toEqual(numbers);
    expect(digestOf(shuffled)).toBe(digestOf(numbers));
    expect(digestOf(numbers.slice(1))).not.toBe(digestOf(numbers));
  });

  it("forgets an entry that is subtracted", () => {
    const digest = new Digest();
    const empty = toHex(digest.bytesWith(none));
    for (let n = 0; n < 50; n++) digest.add(term(n));
    for (let n = 0; n < 50; n++) digest.subtract(term(n));
    expect(toHex(digest.bytesWith(none))).toBe(empty);
    expect(empty).toBe("00".repeat(16));
  });

  it("is not changed by asking for it with one more entry", () => {
    const digest = new Digest();
    digest.add(term(1));
    const before = toHex(digest.bytesWith(none));
    digest.bytesWith(term(2));
    expect(toHex(digest.bytesWith(none))).toBe(before);
  });

  // A sum, not an exclusive or: with that, an entry that is there twice would be as good as one that is not there.
  it("counts an entry that is there twice", () => {
    const digest = new Digest();
    digest.add(term(1));
    digest.add(term(1));
    expect(toHex(digest.bytesWith(none))).not.toBe("00".repeat(16));
  });
});

function bitCount(value: number): number {
  let count = 0;
  for (let rest = value >>> 0; rest !== 0; rest >>>= 1) count += rest & 1;
  return count;
}

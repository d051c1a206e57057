import type { RequestColumns } from "./request-table.ts";
import { type Digest, TermHasher } from "./term-hasher.ts";
import { Term } from "./terms.ts";

/** What entries are together in a digest, wherever it was worked out. */
export type TermSum = Pick<TermHasher, "a" | "b" | "c" | "d">;

/** Adds the entries of many remembered requests to the digest. */
export function addRequestTerms(digest: Digest, columns: RequestColumns): void {
  addTermSum(digest, requestTermsOf(columns));
}

/** Adds what `requestTermsOf` worked out, here or in another thread. */
export function addTermSum(digest: Digest, { a, b, c, d }: TermSum): void {
  digest.add(Object.assign(new TermHasher(), { a, b, c, d }));
}

/**
 * The sum of the entries of many remembered requests: of those that `Terms.request` makes, one after the other.
 *
 * It is `TermHasher` written out, without a call or a word in memory from one word of an entry to the next: a start with ten
 * million requests spends most of a second here, and a third more with calls. (Two entries side by side, so that one
 * would not wait for the other, took longer: there are too few registers.)
 */
export function requestTermsOf({ ids, principals, positions, hashes }: RequestColumns): TermSum {
  const begun = new TermHasher();
  let begunFor = -1;
  let sumA = 0;
  let sumB = 0;
  let sumC = 0;
  let sumD = 0;
  for (let i = 0; i < principals.length; i++) {
    if (principals[i] !== begunFor) {
      begunFor = principals[i] as number;
      begun.begin(Term.REQUEST).word(begunFor).word(16);
    }
    let { a, b, c, d } = begun;
    for (let part = 4 * i; part < 4 * i + 4; part++) {
      const word = ids[part] as number;
      const byte0 = word & 0xff;
      a = Math.imul(a ^ byte0, 0x85eb_ca6b);
      b = Math.imul(b ^ byte0, 0xc2b2_ae35);
      c = Math.imul(c ^ byte0, 0x27d4_eb2f);
      d = Math.imul(d ^ byte0, 0x1656_67b1);
      a = (((a << 13) | (a >>> 19)) + 0x52dc_e729) | 0;
      b = (((b << 15) | (b >>> 17)) + 0x3849_5ab5) | 0;
      c = (((c << 17) | (c >>> 15)) + 0x2b5f_cd13) | 0;
      d = (((d << 11) | (d >>> 21)) + 0x5bd1_e995) | 0;
      const byte1 = (word >>> 8) & 0xff;
      a = Math.imul(a ^ byte1, 0x85eb_ca6b);
      b = Math.imul(b ^ byte1, 0xc2b2_ae35);
      c = Math.imul(c ^ byte1, 0x27d4_eb2f);
      d = Math.imul(d ^ byte1, 0x1656_67b1);
      a = (((a << 13) | (a >>> 19)) + 0x52dc_e729) | 0;
      b = (((b << 15) | (b >>> 17)) + 0x3849_5ab5) | 0;
      c = (((c << 17) | (c >>> 15)) + 0x2b5f_cd13) | 0;
      d = (((d << 11) | (d >>> 21)) + 0x5bd1_e995) | 0;
      const byte2 = (word >>> 16) & 0xff;
      a = Math.imul(a ^ byte2, 0x85eb_ca6b);
      b = Math.imul(b ^ byte2, 0xc2b2_ae35);
      c = Math.imul(c ^ byte2, 0x27d4_eb2f);
      d = Math.imul(d ^ byte2, 0x1656_67b1);
      a = (((a << 13) | (a >>> 19)) + 0x52dc_e729) | 0;
      b = (((b << 15) | (b >>> 17)) + 0x3849_5ab5) | 0;
      c = (((c << 17) | (c >>> 15)) + 0x2b5f_cd13) | 0;
      d = (((d << 11) | (d >>> 21)) + 0x5bd1_e995) | 0;
      const byte3 = word >>> 24;
      a = Math.imul(a ^ byte3, 0x85eb_ca6b);
      b = Math.imul(b ^ byte3, 0xc2b2_ae35);
      c = Math.imul(c ^ byte3, 0x27d4_eb2f);
      d = Math.imul(d ^ byte3, 0x1656_67b1);
      a = (((a << 13) | (a >>> 19)) + 0x52dc_e729) | 0;
      b = (((b << 15) | (b >>> 17)) + 0x3849_5ab5) | 0;
      c = (((c << 17) | (c >>> 15)) + 0x2b5f_cd13) | 0;
      d = (((d << 11) | (d >>> 21)) + 0x5bd1_e995) | 0;
    }
    const low = positions[2 * i] as number;
    a = Math.imul(a ^ low, 0x85eb_ca6b);
    b = Math.imul(b ^ low, 0xc2b2_ae35);
    c = Math.imul(c ^ low, 0x27d4_eb2f);
    d = Math.imul(d ^ low, 0x1656_67b1);
    a = (((a << 13) | (a >>> 19)) + 0x52dc_e729) | 0;
    b = (((b << 15) | (b >>> 17)) + 0x3849_5ab5) | 0;
    c = (((c << 17) | (c >>> 15)) + 0x2b5f_cd13) | 0;
    d = (((d << 11) | (d >>> 21)) + 0x5bd1_e995) | 0;
    const high = positions[2 * i + 1] as number;
    a = Math.imul(a ^ high, 0x85eb_ca6b);
    b = Math.imul(b ^ high, 0xc2b2_ae35);
    c = Math.imul(c ^ high, 0x27d4_eb2f);
    d = Math.imul(d ^ high, 0x1656_67b1);
    a = (((a << 13) | (a >>> 19)) + 0x52dc_e729) | 0;
    b = (((b << 15) | (b >>> 17)) + 0x3849_5ab5) | 0;
    c = (((c << 17) | (c >>> 15)) + 0x2b5f_cd13) | 0;
    d = (((d << 11) | (d >>> 21)) + 0x5bd1_e995) | 0;
    const hashLow = hashes[2 * i] as number;
    a = Math.imul(a ^ hashLow, 0x85eb_ca6b);
    b = Math.imul(b ^ hashLow, 0xc2b2_ae35);
    c = Math.imul(c ^ hashLow, 0x27d4_eb2f);
    d = Math.imul(d ^ hashLow, 0x1656_67b1);
    a = (((a << 13) | (a >>> 19)) + 0x52dc_e729) | 0;
    b = (((b << 15) | (b >>> 17)) + 0x3849_5ab5) | 0;
    c = (((c << 17) | (c >>> 15)) + 0x2b5f_cd13) | 0;
    d = (((d << 11) | (d >>> 21)) + 0x5bd1_e995) | 0;
    const hashHigh = hashes[2 * i + 1] as number;
    a = Math.imul(a ^ hashHigh, 0x85eb_ca6b);
    b = Math.imul(b ^ hashHigh, 0xc2b2_ae35);
    c = Math.imul(c ^ hashHigh, 0x27d4_eb2f);
    d = Math.imul(d ^ hashHigh, 0x1656_67b1);
    a = (((a << 13) | (a >>> 19)) + 0x52dc_e729) | 0;
    b = (((b << 15) | (b >>> 17)) + 0x3849_5ab5) | 0;
    c = (((c << 17) | (c >>> 15)) + 0x2b5f_cd13) | 0;
    d = (((d << 11) | (d >>> 21)) + 0x5bd1_e995) | 0;
    b = finishLane(b);
    c = finishLane(c);
    d = finishLane(d);
    a = (finishLane(a) + b + c + d) | 0;
    sumA = (sumA + a) | 0;
    sumB = (sumB + a + b) | 0;
    sumC = (sumC + a + c) | 0;
    sumD = (sumD + a + d) | 0;
  }
  return { a: sumA, b: sumB, c: sumC, d: sumD };
}

/** As `TermHasher.finish` has it. */
function finishLane(lane: number): number {
  let h = lane ^ (lane >>> 16);
  h = Math.imul(h, 0x85eb_ca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2_ae35);
  return h ^ (h >>> 16);
}

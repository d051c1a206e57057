import "../little-endian.ts";

const START_A = 0x2f6b_1c2d;
const START_B = 0x4c95_7f2d;
const START_C = 0x71d6_7fff;
const START_D = 0x0eda_44df;

/**
 * Folds one entry of the state (its kind, key and fields) into four 32-bit lanes. The digest of a ledger is the sum of
 * its entries' lanes modulo 2^32, so an entry is replaced by subtracting its old lanes and adding its new ones.
 *
 * It is a checksum against bugs and bit rot: each lane multiplies and rotates by constants of its own and is finished
 * like MurmurHash3, so that single changes reach every bit. It proves nothing against somebody who chooses the
 * contents; proof is the SHA-256 root of a snapshot.
 *
 * Source of the finishing step: MurmurHash3 by Austin Appleby, in the public domain.
 */
export class TermHasher {
  a = 0;
  b = 0;
  c = 0;
  d = 0;

  /** Starts an entry. Its kind is its first word, so that entries of different tables are kept apart. */
  begin(kind: number): this {
    this.a = START_A;
    this.b = START_B;
    this.c = START_C;
    this.d = START_D;
    return this.word(kind);
  }

  /** Any 32 bits. */
  word(value: number): this {
    const a = Math.imul(this.a ^ value, 0x85eb_ca6b);
    const b = Math.imul(this.b ^ value, 0xc2b2_ae35);
    const c = Math.imul(this.c ^ value, 0x27d4_eb2f);
    const d = Math.imul(this.d ^ value, 0x1656_67b1);
    this.a = (((a << 13) | (a >>> 19)) + 0x52dc_e729) | 0;
    this.b = (((b << 15) | (b >>> 17)) + 0x3849_5ab5) | 0;
    this.c = (((c << 17) | (c >>> 15)) + 0x2b5f_cd13) | 0;
    this.d = (((d << 11) | (d >>> 21)) + 0x5bd1_e995) | 0;
    return this;
  }

  /** The first `count` of some words: the lanes stay in registers meanwhile, which is several times as fast. */
  words(values: Int32Array, count: number): this {
    let { a, b, c, d } = this;
    for (let i = 0; i < count; i++) {
      const value = values[i] as number;
      a = Math.imul(a ^ value, 0x85eb_ca6b);
      b = Math.imul(b ^ value, 0xc2b2_ae35);
      c = Math.imul(c ^ value, 0x27d4_eb2f);
      d = Math.imul(d ^ value, 0x1656_67b1);
      a = (((a << 13) | (a >>> 19)) + 0x52dc_e729) | 0;
      b = (((b << 15) | (b >>> 17)) + 0x3849_5ab5) | 0;
      c = (((c << 17) | (c >>> 15)) + 0x2b5f_cd13) | 0;
      d = (((d << 11) | (d >>> 21)) + 0x5bd1_e995) | 0;
    }
    this.a = a;
    this.b = b;
    this.c = c;
    this.d = d;
    return this;
  }

  /** A safe integer of either sign. */
  integer(value: number): this {
    return this.word(value | 0).word(Math.floor(value / 4_294_967_296) | 0);
  }

  /** A 64-bit integer with a sign. */
  int64(value: bigint): this {
    scratch64[0] = value;
    return this.word(scratch32[0] as number).word(scratch32[1] as number);
  }

  /** A text by its UTF-16 code units, with its length before it. */
  text(value: string): this {
    this.word(value.length);
    for (let i = 0; i < value.length; i++) this.word(value.charCodeAt(i));
    return this;
  }

  /** Bytes, with their number before them. */
  bytes(value: Uint8Array): this {
    this.word(value.length);
    for (let i = 0; i < value.length; i++) this.word(value[i] as number);
    return this;
  }

  /**
   * Ends the entry: the lanes are ready. Mixing them can be undone, so all 128 bits count: adding each lane to its
   * neighbour instead would make the fourth follow from the other three (a − b + c − d would always be zero).
   */
  finish(): this {
    const b = finishLane(this.b);
    const c = finishLane(this.c);
    const d = finishLane(this.d);
    const sum = (finishLane(this.a) + b + c + d) | 0;
    this.a = sum;
    this.b = (sum + b) | 0;
    this.c = (sum + c) | 0;
    this.d = (sum + d) | 0;
    return this;
  }
}

const scratch64 = new BigInt64Array(1);
const scratch32 = new Int32Array(scratch64.buffer);

function finishLane(lane: number): number {
  let h = lane ^ (lane >>> 16);
  h = Math.imul(h, 0x85eb_ca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2_ae35);
  return h ^ (h >>> 16);
}

/** The running sum of all entries. */
export class Digest {
  private a = 0;
  private b = 0;
  private c = 0;
  private d = 0;

  add(term: TermHasher): void {
    this.a = (this.a + term.a) | 0;
    this.b = (this.b + term.b) | 0;
    this.c = (this.c + term.c) | 0;
    this.d = (this.d + term.d) | 0;
  }

  subtract(term: TermHasher): void {
    this.a = (this.a - term.a) | 0;
    this.b = (this.b - term.b) | 0;
    this.c = (this.c - term.c) | 0;
    this.d = (this.d - term.d) | 0;
  }

  /**
   * Adds (1) or subtracts (−1) the entry that is the first `count` of some words, its kind in front: as `TermHasher` makes
   * it, in one go. The lanes are mixed here once more, and once more in `addRequestTerms`: handed over through memory, as
   * a function that both call would have to, they take a good part of a movement's time.
   */
  addWords(words: Int32Array, count: number, sign: 1 | -1): void {
    let a = START_A;
    let b = START_B;
    let c = START_C;
    let d = START_D;
    for (let i = 0; i < count; i++) {
      const value = words[i] as number;
      a = Math.imul(a ^ value, 0x85eb_ca6b);
      b = Math.imul(b ^ value, 0xc2b2_ae35);
      c = Math.imul(c ^ value, 0x27d4_eb2f);
      d = Math.imul(d ^ value, 0x1656_67b1);
      a = (((a << 13) | (a >>> 19)) + 0x52dc_e729) | 0;
      b = (((b << 15) | (b >>> 17)) + 0x3849_5ab5) | 0;
      c = (((c << 17) | (c >>> 15)) + 0x2b5f_cd13) | 0;
      d = (((d << 11) | (d >>> 21)) + 0x5bd1_e995) | 0;
    }
    b = finishLane(b);
    c = finishLane(c);
    d = finishLane(d);
    a = (finishLane(a) + b + c + d) | 0;
    this.a = (this.a + Math.imul(sign, a)) | 0;
    this.b = (this.b + Math.imul(sign, a + b)) | 0;
    this.c = (this.c + Math.imul(sign, a + c)) | 0;
    this.d = (this.d + Math.imul(sign, a + d)) | 0;
  }

  /** The sum with one more entry, as 16 bytes: four little-endian lanes. */
  bytesWith(term: TermHasher): Uint8Array {
    const bytes = new Uint8Array(16);
    const view = new DataView(bytes.buffer);
    view.setInt32(0, (this.a + term.a) | 0, true);
    view.setInt32(4, (this.b + term.b) | 0, true);
    view.setInt32(8, (this.c + term.c) | 0, true);
    view.setInt32(12, (this.d + term.d) | 0, true);
    return bytes;
  }
}

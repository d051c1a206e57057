import { TermHasher } from "./term-hasher.ts";

/** Bytes of a key: four of the principal's index, sixteen of the request id. */
const KEY_BYTES = 20;

/**
 * Where the index of requests begins to look for a key. Simple tabulation: each byte picks an entry of a table of its
 * own, and the entries are XORed. The tables come from the seed, so whoever does not know it cannot choose ids that
 * collide: there is no difference between two keys that cancels under every seed, as there is with multiplying and
 * shifting.
 *
 * Source: Mihai Pătraşcu and Mikkel Thorup, "The Power of Simple Tabulation Hashing": linear probing over it takes
 * constant expected time.
 */
export class RequestHasher {
  private readonly tables = new Int32Array(KEY_BYTES * 256);

  /** @param seed any 32 bits, different in each process. */
  constructor(seed: number) {
    const term = new TermHasher();
    for (let i = 0; i < this.tables.length; i++) this.tables[i] = term.begin(seed).word(i).finish().a;
  }

  /** Bytes of memory that it takes. */
  get bytes(): number {
    return this.tables.byteLength;
  }

  /** Any 32 bits, with a sign, for a principal and the four words of a request id that begin at `at`. */
  hash(principal: number, words: Int32Array, at: number): number {
    let hash = this.ofWord(0, principal);
    for (let i = 0; i < 4; i++) hash ^= this.ofWord((i + 1) * 1024, words[at + i] as number);
    return hash;
  }

  private ofWord(table: number, word: number): number {
    const { tables } = this;
    return (
      (tables[table + (word & 0xff)] as number) ^
      (tables[table + 256 + ((word >>> 8) & 0xff)] as number) ^
      (tables[table + 512 + ((word >>> 16) & 0xff)] as number) ^
      (tables[table + 768 + (word >>> 24)] as number)
    );
  }
}

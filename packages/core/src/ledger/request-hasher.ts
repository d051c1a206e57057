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
  // Most requests are of the principal of the one before.
  private lastPrincipal = 0;
  private hashOfPrincipal: number;

  /** @param seed any 32 bits, different in each process. */
  constructor(seed: number) {
    const term = new TermHasher();
    for (let i = 0; i < this.tables.length; i++) this.tables[i] = term.begin(seed).word(i).finish().a;
    this.hashOfPrincipal = this.ofWord(0, this.lastPrincipal);
  }

  /** Bytes of memory that it takes. */
  get bytes(): number {
    return this.tables.byteLength;
  }

  /** Any 32 bits, with a sign, for a principal and the four words of a request id that begin at `at`. */
  hash(principal: number, words: Int32Array, at: number): number {
    if (principal !== this.lastPrincipal) {
      this.lastPrincipal = principal;
      this.hashOfPrincipal = this.ofWord(0, principal);
    }
    return (
      this.hashOfPrincipal ^
      this.ofWord(1024, words[at] as number) ^
      this.ofWord(2048, words[at + 1] as number) ^
      this.ofWord(3072, words[at + 2] as number) ^
      this.ofWord(4096, words[at + 3] as number)
    );
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

import type { CommandHash } from "./command-hash.ts";
import { TermHasher } from "./ledger/term-hasher.ts";
import type { MovementOrders } from "./movement-orders.ts";

/** Kind, two accounts of a field, a length and up to sixteen digits each, the amount's field, length and two halves. */
const WORDS_BESIDE_CURRENCY = 1 + 2 * (2 + 16) + 2 + 2;
const INT32_MAX = 0x7fff_ffff;
const ZERO = 0x30;

/**
 * Hashes orders as `hashCommand` hashes the commands that they stand for, word by word the same, but straight out of the
 * columns: without a command, and without the texts of its accounts.
 */
export class OrderHasher implements CommandHash {
  /** Of the entry that was hashed last. */
  low = 0;
  high = 0;
  private readonly orders: MovementOrders;
  private readonly amounts: Int32Array;
  private readonly words: Int32Array;
  private readonly hasher = new TermHasher();

  constructor(orders: MovementOrders) {
    this.orders = orders;
    const { amounts, currencies } = orders;
    this.amounts = new Int32Array(amounts.buffer, amounts.byteOffset, 2 * amounts.length);
    const longest = currencies.reduce((length, code) => Math.max(length, code.length), 0);
    this.words = new Int32Array(WORDS_BESIDE_CURRENCY + longest);
  }

  /** Leaves the hash of an entry in `low` and `high`. */
  hash(index: number): this {
    const { orders, words, hasher, amounts } = this;
    const debit = orders.debits[index] as number;
    const credit = orders.credits[index] as number;
    let at = 1;
    // The same numbers of commands and fields as in `hashCommand`.
    if (debit === 0) {
      words[0] = 2;
      at = this.reference(at, 1, credit);
    } else if (credit === 0) {
      words[0] = 3;
      at = this.reference(at, 1, debit);
    } else {
      words[0] = 4;
      at = this.reference(at, 1, debit);
      at = this.reference(at, 2, credit);
    }
    words[at++] = debit === 0 || credit === 0 ? 2 : 3;
    const { currencyIndexes } = orders;
    const code = orders.currencies[currencyIndexes === undefined ? 0 : (currencyIndexes[index] as number)] as string;
    words[at++] = code.length;
    for (let i = 0; i < code.length; i++) words[at++] = code.charCodeAt(i);
    words[at++] = amounts[2 * index] as number;
    words[at++] = amounts[2 * index + 1] as number;
    hasher.begin(0x636d64).words(words, at).finish();
    // No command has the hash of a cancelled one.
    this.low = hasher.a === 0 && hasher.b === 0 ? 1 : hasher.a;
    this.high = hasher.b;
    return this;
  }

  /** A field with an account's number as text; gives where the next word comes. */
  private reference(at: number, field: number, number: number): number {
    const { words } = this;
    let length = 1;
    for (let bound = 10; number >= bound; bound *= 10) length++;
    words[at] = field;
    words[at + 1] = length;
    let digit = at + 1 + length;
    let rest = number;
    for (; rest > INT32_MAX; digit--) {
      const tenth = Math.floor(rest / 10);
      words[digit] = ZERO + (rest - 10 * tenth);
      rest = tenth;
    }
    // Whole numbers are divided several times as fast.
    for (let small = rest | 0; digit > at + 1; digit--) {
      const tenth = (small / 10) | 0;
      words[digit] = ZERO + (small - 10 * tenth);
      small = tenth;
    }
    return at + 2 + length;
  }
}

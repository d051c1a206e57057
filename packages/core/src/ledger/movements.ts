import { AccountState } from "../account.ts";
import type { Position } from "../identifiers.ts";
import { type AccountTable, IS_SPECIAL } from "./account-table.ts";
import type { RequestTable } from "./request-table.ts";
import type { Digest } from "./term-hasher.ts";
import { Term } from "./terms.ts";

const TWO_32 = 4_294_967_296;

/** So many movements are read ahead at a time: what is brought must stay in the cache until it is used. */
export const READ_AHEAD = 128;

/**
 * Sums of a few numbers below this are exact as numbers of JavaScript, and certainly fit into 64 bits: 22 trillion in a
 * currency with two decimals. What is beyond is worked out as `bigint`, by `apply`.
 */
export const EXACT_BOUND = 2 ** 51;

/**
 * Movements of money as columns have them: the same checks, the same change and the same digest as by `apply`, without an
 * object for any of it. It only ever says yes: what it does not vouch for is for `apply` to judge.
 */
export class Movements {
  private readonly accounts: AccountTable;
  private readonly requests: RequestTable;
  private readonly digest: Digest;
  /** The words of the digest's entries, as `Terms` has them: of a balance, and of a request with the bytes of its id. */
  private readonly balance = Int32Array.of(Term.BALANCE, 0, 0, 0, 0, 0);
  private readonly request = Int32Array.of(Term.REQUEST, 0, 16, ...new Array<number>(20).fill(0));
  /** Nobody reads it: without it reading ahead would be optimized away. */
  protected readAhead = 0;

  constructor(accounts: AccountTable, requests: RequestTable, digest: Digest) {
    this.accounts = accounts;
    this.requests = requests;
    this.digest = digest;
  }

  /**
   * Has memory bring what movements between the first `count` of these accounts will need, and changes nothing. The
   * processor waits for many lines of memory at once where nothing else stands between the reads.
   */
  touch(indexes: Uint32Array, count: number): void {
    const { guards, postedWords, versions } = this.accounts;
    let read = 0;
    for (let i = 0; i < count; i++) {
      const account = indexes[i] as number;
      read ^= (guards[account] as number) ^ (postedWords[2 * account] as number) ^ (versions[account] as number);
    }
    this.readAhead = read;
  }

  /** Whether a movement certainly is one that `apply` accepts, and all its numbers are within `EXACT_BOUND`. */
  isAllowed(debit: number, credit: number, amount: number): boolean {
    const { accounts } = this;
    const { count, guards, postedWords } = accounts;
    if (debit >= count || credit >= count || debit === credit || amount <= 0 || amount >= EXACT_BOUND) return false;
    const guard = guards[debit] as number;
    if (guard === guards[credit] && guard < IS_SPECIAL) {
      // Both are open and of one currency, and nothing bounds them but zero and the range.
      const spendable = numberAt(postedWords, debit);
      return amount <= spendable && isExact(spendable) && isExact(numberAt(postedWords, credit));
    }
    const { currencies, states, heldWords, floorWords, ceilingWords } = accounts;
    if (currencies[debit] !== currencies[credit]) return false;
    if (states[debit] !== AccountState.OPEN || states[credit] !== AccountState.OPEN) return false;
    const paying = numberAt(postedWords, debit);
    const receiving = numberAt(postedWords, credit);
    const held = numberAt(heldWords, debit);
    if (!isExact(paying) || !isExact(receiving) || held >= EXACT_BOUND) return false;
    // Bounds beyond what a number can tell apart are rounded, and still lie beyond every sum that is compared to them.
    return (
      paying - amount - held >= numberAt(floorWords, debit) && receiving + amount <= numberAt(ceilingWords, credit)
    );
  }

  /** Whether a movement that was allowed can be taken back here. */
  isReversible(debit: number, credit: number, amount: number): boolean {
    const { postedWords } = this.accounts;
    return amount < EXACT_BOUND && isExact(numberAt(postedWords, debit)) && isExact(numberAt(postedWords, credit));
  }

  /** What may fail for want of memory before a movement is posted. */
  prepare(debit: number, credit: number): void {
    this.accounts.beforePosting(debit);
    this.accounts.beforePosting(credit);
  }

  /** Moves the money: 1 there, −1 back again. It cannot fail. */
  post(debit: number, credit: number, amount: number, step: 1 | -1): void {
    this.add(debit, -amount * step, step);
    this.add(credit, amount * step, step);
  }

  /** Remembers the answer to the request whose id is in the four words from `at` on: all of it, or it throws. */
  remember(
    principal: number,
    ids: Int32Array,
    at: number,
    position: Position,
    hashLow: number,
    hashHigh: number,
  ): void {
    this.requests.pushAt(principal, ids, at, position, hashLow, hashHigh);
    const words = this.request;
    words[1] = principal;
    for (let i = 0; i < 4; i++) {
      const word = ids[at + i] as number;
      words[4 * i + 3] = word & 0xff;
      words[4 * i + 4] = (word >>> 8) & 0xff;
      words[4 * i + 5] = (word >>> 16) & 0xff;
      words[4 * i + 6] = word >>> 24;
    }
    words[19] = position | 0;
    words[20] = Math.floor(position / TWO_32);
    words[21] = hashLow;
    words[22] = hashHigh;
    this.digest.addWords(words, 23, 1);
  }

  private add(account: number, delta: number, step: 1 | -1): void {
    const { postedWords, versions } = this.accounts;
    const { digest } = this;
    const words = this.balance;
    const version = versions[account] as number;
    const after = numberAt(postedWords, account) + delta;
    words[1] = account;
    words[2] = postedWords[2 * account] as number;
    words[3] = postedWords[2 * account + 1] as number;
    words[4] = version | 0;
    words[5] = Math.floor(version / TWO_32);
    digest.addWords(words, 6, -1);
    const low = after | 0;
    const high = Math.floor(after / TWO_32);
    postedWords[2 * account] = low;
    postedWords[2 * account + 1] = high;
    versions[account] = version + step;
    words[2] = low;
    words[3] = high;
    words[4] = (version + step) | 0;
    words[5] = Math.floor((version + step) / TWO_32);
    digest.addWords(words, 6, 1);
  }
}

/** A 64-bit number with a sign out of its two words, low half first; rounded where it is beyond 53 bits. */
export function numberAt(words: Int32Array, index: number): number {
  return (words[2 * index + 1] as number) * TWO_32 + ((words[2 * index] as number) >>> 0);
}

function isExact(value: number): boolean {
  return value > -EXACT_BOUND && value < EXACT_BOUND;
}

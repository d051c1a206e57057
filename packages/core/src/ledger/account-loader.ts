import { AccountState } from "../account.ts";
import { AMOUNT_MAX } from "../limits.ts";
import type { AccountRows } from "./account-columns.ts";
import type { AccountTable } from "./account-table.ts";
import type { Digest } from "./term-hasher.ts";
import { Term } from "./terms.ts";

/** Words of an account's entry before its texts. */
const WORDS_BEFORE_TEXTS = 13;

/**
 * Takes many customers' accounts that have neither alias nor metadata into the state, as `Ledger.restoreAccount` and
 * `restoreState` do with each: without an object for any, nor a call for each word of its entries in the digest.
 */
export class AccountLoader {
  private words = new Int32Array(256);
  private readonly accounts: AccountTable;
  private readonly digest: Digest;

  constructor(accounts: AccountTable, digest: Digest) {
    this.accounts = accounts;
    this.digest = digest;
  }

  /** Adds the accounts of rows `from` to before `to`. Throws as `AccountTable.pushRows`. */
  add(rows: AccountRows, from: number, to: number): void {
    if (from === to) return;
    const first = this.accounts.count;
    this.accounts.pushRows(rows, from, to);
    this.addTerms(rows, from, to, first);
  }

  /** The entries that `Terms` makes of each; `first` is the index of the first. */
  private addTerms(rows: AccountRows, from: number, to: number, first: number): void {
    const { digest } = this;
    const posted = wordsOf(rows.posted);
    const held = wordsOf(rows.held);
    const floors = wordsOf(rows.floors);
    const ceilings = wordsOf(rows.ceilings);
    const noCeiling = wordsOf(BigInt64Array.of(AMOUNT_MAX));
    for (let i = from; i < to; i++) {
      const index = first + i - from;
      const [name, owner, displayName] = [rows.names[i], rows.owners[i], rows.displayNames[i]] as [
        string,
        string,
        string,
      ];
      const count = WORDS_BEFORE_TEXTS + 3 + name.length + owner.length + displayName.length;
      if (count > this.words.length) this.words = new Int32Array(2 * count);
      const { words } = this;
      words[0] = Term.ACCOUNT;
      words[1] = index;
      words[2] = rows.types[i] as number;
      words[3] = rows.currencies[i] as number;
      words[4] = rows.homeBranches[i] as number;
      putInteger(words, 5, rows.numbers[i] as number);
      words[7] = floors[2 * i] as number;
      words[8] = floors[2 * i + 1] as number;
      putInteger(words, 9, rows.openedPositions[i] as number);
      putInteger(words, 11, rows.openedTimesMs[i] as number);
      putText(words, putText(words, putText(words, WORDS_BEFORE_TEXTS, name), owner), displayName);
      digest.addWords(words, count, 1);
      words[0] = Term.BALANCE;
      words[2] = posted[2 * i] as number;
      words[3] = posted[2 * i + 1] as number;
      putInteger(words, 4, rows.versions[i] as number);
      digest.addWords(words, 6, 1);
      const hasCeiling = ceilings[2 * i] !== noCeiling[0] || ceilings[2 * i + 1] !== noCeiling[1];
      if (rows.states[i] !== AccountState.OPEN || hasCeiling) {
        words[0] = Term.ACCOUNT_EXTRAS;
        words[2] = rows.states[i] as number;
        words[3] = ceilings[2 * i] as number;
        words[4] = ceilings[2 * i + 1] as number;
        // Neither alias nor metadata.
        words[5] = 0;
        words[6] = 0;
        digest.addWords(words, 7, 1);
      }
      if (held[2 * i] !== 0 || held[2 * i + 1] !== 0) {
        words[0] = Term.HELD;
        words[2] = held[2 * i] as number;
        words[3] = held[2 * i + 1] as number;
        digest.addWords(words, 4, 1);
      }
    }
  }
}

function wordsOf(column: BigInt64Array<ArrayBuffer>): Int32Array {
  return new Int32Array(column.buffer, column.byteOffset, 2 * column.length);
}

function putInteger(words: Int32Array, at: number, value: number): void {
  words[at] = value | 0;
  words[at + 1] = Math.floor(value / 4_294_967_296) | 0;
}

/** Gives the place behind it. */
function putText(words: Int32Array, at: number, text: string): number {
  words[at] = text.length;
  for (let i = 0; i < text.length; i++) words[at + 1 + i] = text.charCodeAt(i);
  return at + 1 + text.length;
}

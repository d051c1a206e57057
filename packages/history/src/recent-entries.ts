import type { AccountIndex, Position } from "@bank/core";
import { type Accounts, indexInPage } from "./accounts.ts";
import type { Entries, EntryColumns, OrderedEntries } from "./entries.ts";
import { ensure } from "./errors.ts";

const CAPACITY_MIN = 1_024;

/**
 * The entries that are in no row yet, in columns: there are two of them for every movement, and a row by itself costs many
 * times what an entry in it does. Each knows the one before it of the same account.
 */
export class RecentEntries {
  private readonly states: Accounts;
  private accounts = new Uint32Array(CAPACITY_MIN);
  private positions = new Float64Array(CAPACITY_MIN);
  private posted = new BigInt64Array(CAPACITY_MIN);
  private held = new BigInt64Array(CAPACITY_MIN);
  private changes = new BigInt64Array(CAPACITY_MIN);
  private counterparties = new Uint32Array(CAPACITY_MIN);
  private kinds = new Uint8Array(CAPACITY_MIN);
  /** Index, from 1, of the entry before of the same account; 0 for none. */
  private previous = new Int32Array(CAPACITY_MIN);
  private count = 0;
  /** Accounts that have entries here, each once. */
  private moved = new Uint32Array(CAPACITY_MIN);
  private movedCount = 0;

  constructor(states: Accounts) {
    this.states = states;
  }

  get length(): number {
    return this.count;
  }

  /** How many accounts they are of. */
  get accountCount(): number {
    return this.movedCount;
  }

  /**
   * Both entries of a movement: the amount leaves `debit` and reaches `credit`.
   *
   * @param amounts and `at`: where the amount stands. To hand it on by itself would put it into memory of its own.
   */
  move(entry: Entry, debit: AccountIndex, credit: AccountIndex, amounts: BigInt64Array, at: number): void {
    const amount = amounts[at] as bigint;
    const paid = this.add(debit, entry, credit);
    this.changes[paid] = -amount;
    this.settle(debit, paid);
    const received = this.add(credit, entry, debit);
    this.changes[received] = amount;
    this.settle(credit, received);
  }

  /** One entry. `posted` and `held`: by how much they change. Throws: `DamagedHistoryError` for less held than nothing. */
  change(account: AccountIndex, entry: Entry, change: Change): void {
    const { posted, held, counterparty } = change;
    const page = this.states.page(account);
    const inPage = indexInPage(account);
    const heldAfter = (page.held[inPage] as bigint) + held;
    ensure(heldAfter >= 0n, `account ${account} does not hold less than nothing`);
    page.held[inPage] = heldAfter;
    const at = this.add(account, entry, counterparty);
    this.changes[at] = posted;
    this.settle(account, at);
  }

  /** Entries of an account between two positions, both left out; of more than `max` only the newest. */
  between(account: AccountIndex, above: Position, below: Position, max: number): Entries {
    const indexes: number[] = [];
    let at = (this.states.page(account).newest[indexInPage(account)] as number) - 1;
    for (; at >= 0 && indexes.length < max; at = (this.previous[at] as number) - 1) {
      const position = this.positions[at] as number;
      if (position <= above) break;
      if (position < below) indexes.push(at);
    }
    return this.view(indexes.reverse());
  }

  /**
   * Gives the entries of every account, accounts in the order of their indexes. Those of an account are here no more once they
   * are given; nothing may be added before all are.
   */
  *drain(): Generator<AccountEntries> {
    const columns = this.columns();
    // Filled from its end, since the entries of an account are found from the newest on.
    const indexes = new Int32Array(this.count);
    // Neighbours go to the same page of the database.
    for (const account of this.moved.subarray(0, this.movedCount).sort()) {
      const { newest } = this.states.page(account as AccountIndex);
      const inPage = indexInPage(account as AccountIndex);
      let begin = indexes.length;
      for (let at = newest[inPage] as number; at > 0; at = this.previous[at - 1] as number) indexes[--begin] = at - 1;
      newest[inPage] = 0;
      yield { account: account as AccountIndex, entries: { columns, indexes, begin } };
    }
    this.count = 0;
    this.movedCount = 0;
  }

  private columns(): EntryColumns {
    const { positions, posted, held, changes, counterparties, kinds } = this;
    return { positions, posted, held, heldWords: new Int32Array(held.buffer), changes, counterparties, kinds };
  }

  private view(indexes: readonly number[]): Entries {
    const at = (index: number) => indexes[index] as number;
    return {
      length: indexes.length,
      position: (index) => this.positions[at(index)] as number,
      posted: (index) => this.posted[at(index)] as bigint,
      held: (index) => this.held[at(index)] as bigint,
      change: (index) => this.changes[at(index)] as bigint,
      kind: (index) => this.kinds[at(index)] as number,
      counterparty: (index) => this.counterparties[at(index)] as number,
    };
  }

  /** Adds an entry, whose change is to be set, and gives its index. */
  private add(account: AccountIndex, { position, kind }: Entry, counterparty: number): number {
    if (this.count === this.accounts.length) this.grow();
    const { newest } = this.states.page(account);
    const inPage = indexInPage(account);
    const at = this.count++;
    const previous = newest[inPage] as number;
    if (previous === 0) this.addAccount(account);
    this.previous[at] = previous;
    newest[inPage] = at + 1;
    this.accounts[at] = account;
    this.positions[at] = position;
    this.counterparties[at] = counterparty;
    this.kinds[at] = kind;
    return at;
  }

  /** Brings the account's posted balance behind the entry's change. */
  private settle(account: AccountIndex, at: number): void {
    const { posted, held } = this.states.page(account);
    const inPage = indexInPage(account);
    // Said to be of 64 bits, the sum needs no memory of its own; it cannot be longer, since the ledger's is not.
    const after = BigInt.asIntN(64, (posted[inPage] as bigint) + (this.changes[at] as bigint));
    posted[inPage] = after;
    this.posted[at] = after;
    this.held[at] = held[inPage] as bigint;
  }

  private addAccount(account: AccountIndex): void {
    if (this.movedCount === this.moved.length)
      this.moved = enlarged(this.moved, new Uint32Array(2 * this.moved.length));
    this.moved[this.movedCount++] = account;
  }

  private grow(): void {
    const size = 2 * this.count;
    this.accounts = enlarged(this.accounts, new Uint32Array(size));
    this.positions = enlarged(this.positions, new Float64Array(size));
    this.posted = enlarged(this.posted, new BigInt64Array(size));
    this.held = enlarged(this.held, new BigInt64Array(size));
    this.changes = enlarged(this.changes, new BigInt64Array(size));
    this.counterparties = enlarged(this.counterparties, new Uint32Array(size));
    this.kinds = enlarged(this.kinds, new Uint8Array(size));
    this.previous = enlarged(this.previous, new Int32Array(size));
  }
}

/** All that waits of one account. */
export interface AccountEntries {
  readonly account: AccountIndex;
  readonly entries: OrderedEntries;
}

/** What both sides of a transaction have in common. */
export interface Entry {
  readonly position: Position;
  /** `RecordKind` of a transaction, 0 where no money moved. */
  readonly kind: number;
}

/** By how much an entry changes an account's balances, in minor units, and who is on the other side, if anybody is. */
export interface Change {
  readonly posted: bigint;
  readonly held: bigint;
  readonly counterparty: number;
}

function enlarged<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}

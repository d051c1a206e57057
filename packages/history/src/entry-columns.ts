import { type AccountIndex, FRAME_BYTES_MAX, type Position } from "@bank/core";
import { ensure } from "./errors.ts";

/**
 * More than there can be for one transaction: of its frames, which are no more than one of the largest, each entry takes a
 * byte at least.
 */
const ENTRIES_MAX = FRAME_BYTES_MAX;
const CAPACITY_MIN = 1_024;

/** Changes of balances, in columns: there are two of them for every movement. */
export class EntryColumns {
  private accounts = new Uint32Array(CAPACITY_MIN);
  private positions = new Float64Array(CAPACITY_MIN);
  private posted = new BigInt64Array(CAPACITY_MIN);
  private held = new BigInt64Array(CAPACITY_MIN);
  private count = 0;

  clear(): void {
    this.count = 0;
  }

  /** @param posted and `held`: what the account has behind the change. */
  push(account: AccountIndex, position: Position, posted: bigint, held: bigint): void {
    if (this.count === this.accounts.length) this.grow();
    const at = this.count++;
    this.accounts[at] = account;
    this.positions[at] = position;
    this.posted[at] = posted;
    this.held[at] = held;
  }

  /** All of them by account, and those of one account in the order in which they came. */
  visitByAccount(visit: (account: number, position: number, posted: bigint, held: bigint) => void): void {
    ensure(this.count <= ENTRIES_MAX, "a transaction has a bounded number of entries");
    // Account and index in one number, 32 and 21 bits, since numbers are sorted many times as fast as by a function.
    const order = new Float64Array(this.count);
    for (let i = 0; i < this.count; i++) order[i] = (this.accounts[i] as number) * ENTRIES_MAX + i;
    order.sort();
    for (const key of order) {
      const at = key % ENTRIES_MAX;
      visit(
        this.accounts[at] as number,
        this.positions[at] as number,
        this.posted[at] as bigint,
        this.held[at] as bigint,
      );
    }
  }

  private grow(): void {
    const size = 2 * this.count;
    this.accounts = enlarged(this.accounts, new Uint32Array(size));
    this.positions = enlarged(this.positions, new Float64Array(size));
    this.posted = enlarged(this.posted, new BigInt64Array(size));
    this.held = enlarged(this.held, new BigInt64Array(size));
  }
}

function enlarged<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}

import { assert } from "../assert.ts";
import { grown } from "./grown.ts";

/** No hold: there are at most 100 million. */
const NONE = 0xffff_ffff;

/**
 * The open holds of each account, ascending by their index in the table of holds: doubly linked lists in typed arrays,
 * 8 bytes a hold and 8 an account. A `Map` of sets would take many times as much, and end at 16.7 million entries.
 */
export class OpenHolds {
  private firsts = new Uint32Array(64).fill(NONE);
  private lasts = new Uint32Array(64).fill(NONE);
  private nexts = new Uint32Array(64);
  private previouses = new Uint32Array(64);

  /** Adds a hold to an account's; at the end at once, elsewhere (when an end is taken back) after a walk to its place. */
  add(account: number, hold: number): void {
    this.makeRoom(account, hold);
    let before = this.lasts[account] as number;
    while (before !== NONE && before > hold) before = this.previouses[before] as number;
    const after = before === NONE ? (this.firsts[account] as number) : (this.nexts[before] as number);
    this.link(account, before, hold);
    this.link(account, hold, after);
  }

  remove(account: number, hold: number): void {
    const before = this.previouses[hold] as number;
    const after = this.nexts[hold] as number;
    assert(
      (before === NONE ? this.firsts[account] : this.nexts[before]) === hold,
      "an open hold is among its account's",
    );
    this.link(account, before, after);
  }

  /** An account's holds, ascending. */
  *of(account: number): Generator<number> {
    yield* this.from(account < this.firsts.length ? (this.firsts[account] as number) : NONE);
  }

  /** The account's holds from this one on, which is among them. */
  *from(hold: number): Generator<number> {
    for (let at = hold; at !== NONE; at = this.nexts[at] as number) yield at;
  }

  /** Makes `after` follow `before`; no hold stands for the ends of the list. */
  private link(account: number, before: number, after: number): void {
    if (before === NONE) this.firsts[account] = after;
    else this.nexts[before] = after;
    if (after === NONE) this.lasts[account] = before;
    else this.previouses[after] = before;
  }

  private makeRoom(account: number, hold: number): void {
    const accounts = capacityFor(this.firsts.length, account);
    if (accounts > this.firsts.length) {
      this.firsts = grown(new Uint32Array(accounts).fill(NONE), this.firsts);
      this.lasts = grown(new Uint32Array(accounts).fill(NONE), this.lasts);
    }
    const holds = capacityFor(this.nexts.length, hold);
    if (holds > this.nexts.length) {
      this.nexts = grown(new Uint32Array(holds), this.nexts);
      this.previouses = grown(new Uint32Array(holds), this.previouses);
    }
  }
}

function capacityFor(capacity: number, index: number): number {
  let larger = capacity;
  while (larger <= index) larger *= 2;
  return larger;
}

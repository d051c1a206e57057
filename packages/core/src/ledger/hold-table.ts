import { assert } from "../assert.ts";
import { HoldState, type HoldView } from "../hold.ts";
import type { AccountIndex, Position } from "../identifiers.ts";
import { ExpiryQueue } from "./expiry-queue.ts";
import { grown } from "./grown.ts";
import { OpenHolds } from "./open-holds.ts";

/** All holds as they were at one moment. */
export interface HoldColumns {
  readonly count: number;
  readonly positions: Float64Array;
  readonly accounts: Uint32Array;
  readonly held: BigInt64Array;
  readonly captured: BigInt64Array;
  readonly expiresMs: Float64Array;
  readonly states: Uint8Array;
}

/**
 * Every hold that was ever placed, by the position of its placing: 37 bytes each, in columns, and 16 for the lists of
 * the open ones. Ended ones stay, so that a late capture is told how they ended.
 */
export class HoldTable {
  private length = 0;
  private positions = new Float64Array(64);
  private accounts = new Uint32Array(64);
  private held = new BigInt64Array(64);
  private captured = new BigInt64Array(64);
  private expiresMs = new Float64Array(64);
  private states = new Uint8Array(64);
  /** Derived: the open ones. */
  private readonly open = new OpenHolds();
  /** Derived: the open ones that end by themselves. */
  private readonly expiries = new ExpiryQueue((hold) => this.expiresMs[hold] as number);

  get count(): number {
    return this.length;
  }

  /** Index of the hold with this identity; -1 when there is none. */
  find(hold: Position): number {
    let low = 0;
    let high = this.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const position = this.positions[middle] as number;
      if (position === hold) return middle;
      if (position < hold) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  /** A copy of the hold with this index; they ascend by position. */
  viewAt(index: number): HoldView {
    assert(index >= 0 && index < this.length, "the hold exists");
    return {
      hold: this.positions[index] as number,
      account: this.accounts[index] as AccountIndex,
      held: this.held[index] as bigint,
      captured: this.captured[index] as bigint,
      expiresMs: this.expiresMs[index] as number,
      state: this.states[index] as HoldState,
    };
  }

  /**
   * All holds as they are now. What never changes of a hold is lent, not copied: it stays as long as none of them is taken
   * away again.
   */
  freeze(): HoldColumns {
    const { length: count, positions, accounts, held } = this;
    return {
      count,
      positions,
      accounts,
      held,
      captured: this.captured.slice(0, count),
      expiresMs: this.expiresMs.slice(0, count),
      states: this.states.slice(0, count),
    };
  }

  /** Identities of the open holds of an account, ascending. */
  openOf(account: AccountIndex): Position[] {
    return Array.from(this.open.of(account), (index) => this.positions[index] as number);
  }

  /** Up to `limit` of them, beginning with the first that is not below `from`. */
  openFrom(account: AccountIndex, from: Position, limit: number): Position[] {
    const start = this.find(from);
    // A page mostly begins with a hold that is still open: then nothing before it is looked at.
    const isOpen = start !== -1 && this.states[start] === HoldState.OPEN && this.accounts[start] === account;
    const found: Position[] = [];
    for (const index of isOpen ? this.open.from(start) : this.open.of(account)) {
      if (found.length === limit) break;
      const position = this.positions[index] as number;
      if (position >= from) found.push(position);
    }
    return found;
  }

  /** Adds a hold, placed at a position above all others. */
  push(view: HoldView): void {
    const index = this.length;
    assert(index === 0 || view.hold > (this.positions[index - 1] as number), "holds have ascending positions");
    if (index === this.positions.length) this.grow();
    this.positions[index] = view.hold;
    this.accounts[index] = view.account;
    this.held[index] = view.held;
    this.length++;
    this.write(index, view);
    if (view.state === HoldState.OPEN) this.enter(index);
  }

  /** Takes the newest hold away again. */
  pop(): void {
    assert(this.length > 0, "there is a hold to take away");
    if (this.states[this.length - 1] === HoldState.OPEN) this.leave(this.length - 1);
    this.length--;
  }

  /** Changes what can change of a hold. */
  change(index: number, to: Pick<HoldView, "captured" | "expiresMs" | "state">): void {
    if (this.states[index] === HoldState.OPEN) this.leave(index);
    this.write(index, to);
    if (to.state === HoldState.OPEN) this.enter(index);
  }

  /** When the next open hold ends by itself; undefined when none does. */
  nextExpiryMs(): number | undefined {
    const first = this.expiries.first();
    return first === undefined ? undefined : (this.expiresMs[first] as number);
  }

  /** Identities of open holds that end at this time or before it, the first `max` of them by expiry, then position. */
  due(timeMs: number, max: number): Position[] {
    const due: number[] = [];
    for (let next = this.expiries.first(); next !== undefined && due.length < max; next = this.expiries.first()) {
      if ((this.expiresMs[next] as number) > timeMs) break;
      this.expiries.remove(next);
      due.push(next);
    }
    // They end only when a record says so.
    for (const hold of due) this.expiries.add(hold);
    return due.map((hold) => this.positions[hold] as number);
  }

  private write(
    index: number,
    { captured, expiresMs, state }: Pick<HoldView, "captured" | "expiresMs" | "state">,
  ): void {
    this.captured[index] = captured;
    this.expiresMs[index] = expiresMs;
    this.states[index] = state;
  }

  private enter(index: number): void {
    this.open.add(this.accounts[index] as number, index);
    if (this.expiresMs[index] !== 0) this.expiries.add(index);
  }

  private leave(index: number): void {
    if (this.expiresMs[index] !== 0) this.expiries.remove(index);
    this.open.remove(this.accounts[index] as number, index);
  }

  private grow(): void {
    const capacity = this.positions.length * 2;
    this.positions = grown(new Float64Array(capacity), this.positions);
    this.accounts = grown(new Uint32Array(capacity), this.accounts);
    this.held = grown(new BigInt64Array(capacity), this.held);
    this.captured = grown(new BigInt64Array(capacity), this.captured);
    this.expiresMs = grown(new Float64Array(capacity), this.expiresMs);
    this.states = grown(new Uint8Array(capacity), this.states);
  }
}

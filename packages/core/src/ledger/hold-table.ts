import { assert } from "../assert.ts";
import { HoldState, type HoldView } from "../hold.ts";
import type { AccountIndex, Position } from "../identifiers.ts";
import { ExpiryQueue } from "./expiry-queue.ts";
import { grown } from "./grown.ts";

/** Stale entries that the queue of expiries may hold besides as many as there are open holds. */
const STALE_EXPIRIES_MAX = 1_024;

/**
 * Every hold that was ever placed, by the position of its placing: 37 bytes each, in columns. Ended ones stay, so that a
 * late capture is told how they ended.
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
  private readonly openByAccount = new Map<AccountIndex, Set<number>>();
  private openCount = 0;
  private readonly expiries = new ExpiryQueue();

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

  /** Identities of the open holds of an account, ascending. */
  openOf(account: AccountIndex): Position[] {
    const indexes = [...(this.openByAccount.get(account) ?? [])].sort((a, b) => a - b);
    return indexes.map((index) => this.positions[index] as number);
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
    if (view.state === HoldState.OPEN) this.open(index);
  }

  /** Takes the newest hold away again. */
  pop(): void {
    assert(this.length > 0, "there is a hold to take away");
    if (this.states[this.length - 1] === HoldState.OPEN) this.end(this.length - 1);
    this.length--;
  }

  /** Changes what can change of a hold. */
  change(index: number, to: Pick<HoldView, "captured" | "expiresMs" | "state">): void {
    if (this.states[index] === HoldState.OPEN) this.end(index);
    this.write(index, to);
    if (to.state === HoldState.OPEN) this.open(index);
  }

  /** When the next open hold ends by itself; undefined when none does. */
  nextExpiryMs(): number | undefined {
    for (let next = this.expiries.peek(); next !== undefined; next = this.expiries.peek()) {
      if (this.counts(next.hold, next.expiresMs)) return next.expiresMs;
      this.expiries.pop();
    }
    return undefined;
  }

  /** Identities of open holds that end at this time or before it, the first `max` of them by expiry, then position. */
  due(timeMs: number, max: number): Position[] {
    const due: number[] = [];
    for (let next = this.nextExpiryMs(); next !== undefined && next <= timeMs; next = this.nextExpiryMs()) {
      const { hold } = this.expiries.pop();
      // The same hold twice: it was ended, and that was taken back.
      if (due.at(-1) !== hold) due.push(hold);
      if (due.length === max) break;
    }
    // They end only when a record says so.
    for (const hold of due) this.expiries.push({ expiresMs: this.expiresMs[hold] as number, hold });
    return due.map((hold) => this.positions[hold] as number);
  }

  private counts(index: number, expiresMs: number): boolean {
    return index < this.length && this.states[index] === HoldState.OPEN && this.expiresMs[index] === expiresMs;
  }

  private write(
    index: number,
    { captured, expiresMs, state }: Pick<HoldView, "captured" | "expiresMs" | "state">,
  ): void {
    this.captured[index] = captured;
    this.expiresMs[index] = expiresMs;
    this.states[index] = state;
  }

  private open(index: number): void {
    const account = this.accounts[index] as AccountIndex;
    let indexes = this.openByAccount.get(account);
    if (indexes === undefined) {
      indexes = new Set();
      this.openByAccount.set(account, indexes);
    }
    indexes.add(index);
    this.openCount++;
    const expiresMs = this.expiresMs[index] as number;
    if (expiresMs === 0) return;
    if (this.expiries.size > 2 * this.openCount + STALE_EXPIRIES_MAX) this.expiries.rebuild(this.openExpiries());
    else this.expiries.push({ expiresMs, hold: index });
  }

  private end(index: number): void {
    const account = this.accounts[index] as AccountIndex;
    const indexes = this.openByAccount.get(account);
    assert(indexes?.delete(index) === true, "an open hold is among its account's");
    if (indexes.size === 0) this.openByAccount.delete(account);
    this.openCount--;
  }

  private *openExpiries() {
    for (const indexes of this.openByAccount.values())
      for (const hold of indexes) {
        const expiresMs = this.expiresMs[hold] as number;
        if (expiresMs !== 0) yield { expiresMs, hold };
      }
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

import { assert } from "../assert.ts";

/** A hold that ends at a time, by its index in the table of holds. */
export interface Expiry {
  readonly expiresMs: number;
  readonly hold: number;
}

/**
 * Expiries in the order of time, then of index: a binary heap. Entries that have become stale (the hold has ended, or
 * was extended) stay until they come up or `rebuild` is called; whoever asks says which still count.
 */
export class ExpiryQueue {
  private entries: Expiry[] = [];

  get size(): number {
    return this.entries.length;
  }

  push(entry: Expiry): void {
    const { entries } = this;
    let at = entries.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(entry, entries[parent] as Expiry)) break;
      entries[at] = entries[parent] as Expiry;
      at = parent;
    }
    entries[at] = entry;
  }

  peek(): Expiry | undefined {
    return this.entries[0];
  }

  /** Takes the first entry out. */
  pop(): Expiry {
    const { entries } = this;
    const first = entries[0];
    const last = entries.pop();
    assert(first !== undefined && last !== undefined, "there is an expiry to take");
    if (entries.length > 0) this.sink(last);
    return first;
  }

  /** Begins anew with these entries. */
  rebuild(entries: Iterable<Expiry>): void {
    // A sorted array is a heap.
    this.entries = [...entries].sort((a, b) => (before(a, b) ? -1 : 1));
  }

  private sink(entry: Expiry): void {
    const { entries } = this;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= entries.length) break;
      if (child + 1 < entries.length && before(entries[child + 1] as Expiry, entries[child] as Expiry)) child++;
      if (!before(entries[child] as Expiry, entry)) break;
      entries[at] = entries[child] as Expiry;
      at = child;
    }
    entries[at] = entry;
  }
}

function before(a: Expiry, b: Expiry): boolean {
  return a.expiresMs < b.expiresMs || (a.expiresMs === b.expiresMs && a.hold < b.hold);
}

import type { MovementEntry } from "./movement-entry.ts";

/**
 * Movements that wait to be sent and may go together: of one currency, for a call has one, and of about the same time to wait,
 * so that whoever has little of it does not go with those who have much, and is tried as often as by himself.
 */
export class MovementLine {
  readonly currency: string;
  /** Power of two of the timeouts. */
  readonly timeClass: number;
  private entries: MovementEntry[] = [];
  /** Where the first one stands in there. */
  private head = 0;

  constructor(currency: string, timeClass: number) {
    this.currency = currency;
    this.timeClass = timeClass;
  }

  get length(): number {
    return this.entries.length - this.head;
  }

  push(entry: MovementEntry): void {
    this.entries.push(entry);
  }

  /** Takes the first, so many at the most. */
  take(max: number): readonly MovementEntry[] {
    if (this.head === 0 && this.entries.length <= max) {
      const all = this.entries;
      this.entries = [];
      return all;
    }
    const taken = this.entries.slice(this.head, this.head + max);
    this.head += taken.length;
    // What was taken is let go of now and then, not with every call: a long line would be copied as often.
    if (this.head * 2 >= this.entries.length) {
      this.entries = this.entries.slice(this.head);
      this.head = 0;
    }
    return taken;
  }

  forEach(look: (entry: MovementEntry) => void): void {
    for (let i = this.head; i < this.entries.length; i++) look(this.entries[i] as MovementEntry);
  }
}

import type { Operation } from "../history.ts";

/** A position that somebody knew of, and how. */
export interface Seen {
  readonly position: number;
  /** The answer that said it. */
  readonly operation: Operation;
}

/**
 * Gathers answers, and then says "what was the highest position that anybody had been told before that moment?", each in
 * log n. In columns, because there are millions.
 */
export class SeenBefore {
  private times: number[] = [];
  private positions: number[] = [];
  private operations: Operation[] = [];
  private isInOrder = true;
  /** For each entry, the index of the highest up to it; undefined while more is gathered. */
  private best: Uint32Array | undefined;

  /** Adds an answer; one without a time of return tells nobody anything, and is left out. */
  add(position: number, operation: Operation): void {
    const { returnMs } = operation;
    if (returnMs === undefined) return;
    const { times } = this;
    if (times.length > 0 && returnMs < (times.at(-1) ?? 0)) this.isInOrder = false;
    times.push(returnMs);
    this.positions.push(position);
    this.operations.push(operation);
    this.best = undefined;
  }

  /** The highest position in answers that had come before the moment, not in it. Undefined where there was none. */
  before(timeMs: number): Seen | undefined {
    const best = this.best ?? this.finish();
    const { times } = this;
    let low = 0;
    let high = times.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((times[middle] ?? 0) < timeMs) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? undefined : this.at(best[low - 1] ?? 0);
  }

  /** All of them, in the order of their times. */
  *entries(): Generator<Seen> {
    // Before the first is given, for a question would sort them under way.
    this.best ??= this.finish();
    for (let n = 0; n < this.times.length; n++) yield this.at(n);
  }

  private at(index: number): Seen {
    return { position: this.positions[index] ?? 0, operation: this.operations[index] as Operation };
  }

  private finish(): Uint32Array {
    // A recorder mostly writes them in the order of their times.
    if (!this.isInOrder) this.sort();
    const { positions } = this;
    const best = new Uint32Array(positions.length);
    let at = 0;
    let highest = -1;
    for (let n = 0; n < positions.length; n++) {
      const position = positions[n] ?? 0;
      if (position > highest) {
        at = n;
        highest = position;
      }
      best[n] = at;
    }
    this.best = best;
    return best;
  }

  private sort(): void {
    const { operations, positions, times } = this;
    const order = Uint32Array.from(times.keys()).sort((a, b) => (times[a] ?? 0) - (times[b] ?? 0));
    this.times = Array.from(order, (index) => times[index] ?? 0);
    this.positions = Array.from(order, (index) => positions[index] ?? 0);
    this.operations = Array.from(order, (index) => operations[index] as Operation);
    this.isInOrder = true;
  }
}

/** The higher of two. */
export function higher(a: Seen | undefined, b: Seen | undefined): Seen | undefined {
  return b === undefined || (a !== undefined && a.position >= b.position) ? a : b;
}

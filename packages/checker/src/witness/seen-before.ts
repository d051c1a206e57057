import type { Operation } from "../history.ts";

/** A position that somebody knew of, and how. */
export interface Seen {
  readonly position: number;
  /** The answer that said it. */
  readonly operation: Operation;
}

/** Answers "what was the highest position that anybody had been told before that moment?", each in log n. */
export class SeenBefore {
  /** In the order in which they came. */
  private readonly entries: readonly Seen[];
  /** When the answers came, ascending. */
  private readonly times: Float64Array;
  /** For each of the times, the index of the highest entry up to it. */
  private readonly best: Uint32Array;

  /** @param entries answers; those without a time of return are left out. */
  constructor(entries: readonly Seen[]) {
    this.entries = inOrder(entries.filter(({ operation }) => operation.returnMs !== undefined));
    this.times = Float64Array.from(this.entries, returnOf);
    this.best = new Uint32Array(this.entries.length);
    let best = 0;
    let highest = -1;
    for (const [at, { position }] of this.entries.entries()) {
      if (position > highest) {
        best = at;
        highest = position;
      }
      this.best[at] = best;
    }
  }

  /** The highest position in answers that had come before the moment, not in it. Undefined where there was none. */
  before(timeMs: number): Seen | undefined {
    const { times } = this;
    let low = 0;
    let high = times.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((times[middle] ?? 0) < timeMs) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? undefined : this.entries[this.best[low - 1] ?? 0];
  }
}

function returnOf({ operation }: Seen): number {
  return operation.returnMs ?? 0;
}

/** By their times; a recorder mostly writes them so. */
function inOrder(entries: Seen[]): readonly Seen[] {
  let last = Number.NEGATIVE_INFINITY;
  for (const entry of entries) {
    const time = returnOf(entry);
    if (time < last) return entries.sort((a, b) => returnOf(a) - returnOf(b));
    last = time;
  }
  return entries;
}

/** The higher of two. */
export function higher(a: Seen | undefined, b: Seen | undefined): Seen | undefined {
  return b === undefined || (a !== undefined && a.position >= b.position) ? a : b;
}

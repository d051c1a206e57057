/** How long calls took. */
export interface Latencies {
  /** How many were measured: with fewer than a thousand the quantile of 99.9 % is the longest of them. */
  readonly calls: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

/** The smallest value that at least the given part of the sorted values does not exceed (nearest rank); 0 for none. */
export function quantile(sorted: ArrayLike<number>, part: number): number {
  const rank = Math.ceil(part * sorted.length);
  return sorted[Math.min(Math.max(rank, 1), sorted.length) - 1] ?? 0;
}

/** Whether so many values say anything of that quantile besides their largest. */
export function isResolved(count: number, part: number): boolean {
  // A hair less, for 1 - 0.999 is no exact number.
  return count * (1 - part) > 1 - 1e-9;
}

/** The middle value; the lower one of two. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}

const CAPACITY_MIN = 1_024;

/** Collects how long calls take, without an object for each. */
export class LatencyLog {
  private values = new Float64Array(CAPACITY_MIN);
  private count = 0;

  add(ms: number): void {
    if (this.count === this.values.length) {
      const larger = new Float64Array(2 * this.count);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.count++] = ms;
  }

  /** Gives what was collected, and begins anew. */
  take(): Latencies {
    const sorted = this.values.subarray(0, this.count).sort();
    const latencies = {
      calls: this.count,
      p50Ms: quantile(sorted, 0.5),
      p99Ms: quantile(sorted, 0.99),
      p999Ms: quantile(sorted, 0.999),
      maxMs: quantile(sorted, 1),
    };
    this.count = 0;
    return latencies;
  }
}

import { RefusalError } from "@bank/core";

interface Entry<Item, Result> {
  readonly items: readonly Item[];
  /** Of all of them. */
  readonly weight: number;
  readonly untilMs: number;
  readonly resolve: (results: Result[]) => void;
  readonly reject: (reason: unknown) => void;
}

export interface CoalescerOptions<Item, Result> {
  /**
   * Sends items, in order, and gives one result for each.
   *
   * @param untilMs when the last of those who sent them stops waiting.
   */
  readonly send: (items: readonly Item[], untilMs: number) => Promise<readonly Result[]>;
  /** What an item counts towards the limits; 1 where it is left out. */
  readonly weightOf?: (item: Item) => number;
  /** Weight of the items in one call at the most; what is submitted at once is not taken apart. */
  readonly weightPerCallMax: number;
  /** Calls on their way at the same time. */
  readonly callsInFlightMax: number;
  /** Weight of the items that may wait; beyond it `OVERLOADED`. */
  readonly waitingWeightMax: number;
}

/**
 * Gathers what arrives while calls are on their way into the next call: no timer, so that a lone item goes at once, and
 * a thousand go together.
 */
export class Coalescer<Item, Result> {
  private readonly options: CoalescerOptions<Item, Result>;
  private readonly waiting: Entry<Item, Result>[] = [];
  private waitingWeight = 0;
  private inFlight = 0;
  private scheduled = false;

  constructor(options: CoalescerOptions<Item, Result>) {
    this.options = options;
  }

  /**
   * One result for each item, in order. Rejects with what `send` rejects with, and
   * with `RefusalError` OVERLOADED.
   *
   * @param untilMs when the caller stops waiting, by any clock; it is left to `send` what that means.
   */
  submit(items: readonly Item[], untilMs = Number.POSITIVE_INFINITY): Promise<Result[]> {
    const { weightOf, waitingWeightMax } = this.options;
    const weight = weightOf === undefined ? items.length : items.reduce((sum, item) => sum + weightOf(item), 0);
    if (this.waitingWeight + weight > waitingWeightMax)
      // Nothing of this is sent; but an earlier try of the same may have been.
      return Promise.reject(
        new RefusalError("OVERLOADED", { waiting: String(this.waitingItems()) }, "OUTCOME_UNKNOWN"),
      );
    return new Promise<Result[]>((resolve, reject) => {
      this.waiting.push({ items, weight, untilMs, resolve, reject });
      this.waitingWeight += weight;
      this.schedule();
    });
  }

  private waitingItems(): number {
    return this.waiting.reduce((sum, { items }) => sum + items.length, 0);
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    // Those who submit in this very turn still get into the same call.
    queueMicrotask(() => {
      this.scheduled = false;
      while (this.waiting.length > 0 && this.inFlight < this.options.callsInFlightMax) void this.sendNext();
    });
  }

  private async sendNext(): Promise<void> {
    const entries = this.takeEntries();
    const [first] = entries;
    const items = entries.length === 1 && first !== undefined ? first.items : entries.flatMap((entry) => entry.items);
    const untilMs = entries.reduce((latest, entry) => Math.max(latest, entry.untilMs), Number.NEGATIVE_INFINITY);
    this.inFlight++;
    try {
      const results = await this.options.send(items, untilMs);
      if (results.length !== items.length)
        throw new Error(`${items.length} items were sent and ${results.length} results came back`);
      let at = 0;
      for (const entry of entries) {
        entry.resolve(results.slice(at, at + entry.items.length));
        at += entry.items.length;
      }
    } catch (error) {
      for (const entry of entries) entry.reject(error);
    } finally {
      this.inFlight--;
      if (this.waiting.length > 0) this.schedule();
    }
  }

  private takeEntries(): Entry<Item, Result>[] {
    let count = 0;
    let weight = 0;
    for (const entry of this.waiting) {
      if (count > 0 && weight + entry.weight > this.options.weightPerCallMax) break;
      weight += entry.weight;
      count++;
    }
    this.waitingWeight -= weight;
    return this.waiting.splice(0, count);
  }
}

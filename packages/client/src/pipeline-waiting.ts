import type { PipelineEntry } from "./pipeline-entry.ts";

/** So many places of those who are gone are not worth the trouble of closing the gaps. */
const GAPS_MAX = 64;

/**
 * Calls that wait to be sent, in their order. Those that end meanwhile, at their deadlines as a rule, are passed over, and not
 * kept: a server that never takes any must not fill the memory.
 */
export class WaitingCalls {
  private entries: PipelineEntry[] = [];
  /** Where the first one stands that was not taken. */
  private next = 0;
  /** How many behind that are settled. */
  private settled = 0;
  /** How many commands are in those that wait. */
  commands = 0;

  /** How many wait. */
  get count(): number {
    return this.entries.length - this.next - this.settled;
  }

  /** Places that are taken, those of calls included that do not wait any more. */
  get places(): number {
    return this.entries.length;
  }

  get first(): PipelineEntry | undefined {
    for (;;) {
      const entry = this.entries[this.next];
      if (entry?.isSettled !== true) return entry;
      this.next++;
      this.settled--;
    }
  }

  push(entry: PipelineEntry): void {
    entry.isWaiting = true;
    this.commands += entry.weight;
    this.entries.push(entry);
  }

  /** Takes the first one. */
  take(): PipelineEntry | undefined {
    const { first } = this;
    if (first !== undefined) {
      first.isWaiting = false;
      this.commands -= first.weight;
      this.next++;
    }
    this.closeGaps();
    return first;
  }

  /** Takes all of them. */
  takeAll(): PipelineEntry[] {
    const taken = this.entries.slice(this.next).filter(({ isSettled }) => !isSettled);
    for (const entry of taken) entry.isWaiting = false;
    this.commands = 0;
    this.reset([]);
    return taken;
  }

  /** These go before all others. None of them is settled. */
  putBack(entries: readonly PipelineEntry[]): void {
    for (const entry of entries) {
      entry.isWaiting = true;
      this.commands += entry.weight;
    }
    this.reset([...entries, ...this.entries.slice(this.next).filter(({ isSettled }) => !isSettled)]);
  }

  /** A call is settled, which may wait here. */
  onSettled(entry: PipelineEntry): void {
    if (!entry.isWaiting) return;
    entry.isWaiting = false;
    this.commands -= entry.weight;
    this.settled++;
    this.closeGaps();
  }

  /** Costs each place two steps at the most. */
  private closeGaps(): void {
    const gaps = this.next + this.settled;
    if (gaps > GAPS_MAX ? 2 * gaps < this.entries.length : gaps < this.entries.length) return;
    this.reset(this.entries.slice(this.next).filter(({ isSettled }) => !isSettled));
  }

  private reset(entries: PipelineEntry[]): void {
    this.entries = entries;
    this.next = 0;
    this.settled = 0;
  }
}

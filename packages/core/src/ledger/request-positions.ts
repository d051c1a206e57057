/**
 * The upper halves of positions, which ascend with the entries and so are hardly ever another than for the entry before: only
 * where they change is kept.
 */
export class HighWords {
  /** Entries at which the value changes, ascending, and what it is from there on. It is 0 before the first. */
  private readonly entries: number[] = [];
  private readonly values: number[] = [];
  private newest = 0;

  push(entry: number, value: number): void {
    if (value === this.newest) return;
    this.entries.push(entry);
    this.values.push(value);
    this.newest = value;
  }

  /** Forgets the newest entry. */
  pop(entry: number): void {
    if (this.entries.at(-1) !== entry) return;
    this.entries.pop();
    this.values.pop();
    this.newest = this.values.at(-1) ?? 0;
  }

  of(entry: number): number {
    // The newest are asked for most, and there are few.
    let i = this.entries.length - 1;
    while (i >= 0 && (this.entries[i] as number) > entry) i--;
    return i < 0 ? 0 : (this.values[i] as number);
  }
}

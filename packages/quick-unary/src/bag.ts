/** Something that can be in one `Bag`. */
export interface Bagged {
  /** Where it lies there; undefined while it is in none. The bag's own. */
  place?: number | undefined;
}

/**
 * Those that are under way, in no order, where thousands come and go each second.
 *
 * A `Set` of them costs far more than it seems. It makes a new table each time as many came and went as it has room for, and
 * the old tables, which lie where only a full collection of memory looks, still know who was in it: so nearly everything that
 * ever was in the set, with all that hangs on it, outlives two young collections, and is copied in both.
 */
export class Bag<T extends Bagged> {
  private readonly all: (T | undefined)[] = [];
  private count = 0;

  get size(): number {
    return this.count;
  }

  /** Idempotent. */
  add(one: T): void {
    if (one.place !== undefined) return;
    one.place = this.count;
    if (this.count < this.all.length) this.all[this.count] = one;
    else this.all.push(one);
    this.count++;
  }

  /** Idempotent. */
  delete(one: T): void {
    const { place } = one;
    if (place === undefined) return;
    one.place = undefined;
    this.count--;
    const last = this.all[this.count] as T;
    // Places that are free stay, and know nobody.
    this.all[this.count] = undefined;
    if (last === one) return;
    this.all[place] = last;
    last.place = place;
  }

  /** Those that fit, as they are now. */
  filter(fits: (one: T) => boolean): T[] {
    const found: T[] = [];
    for (let i = 0; i < this.count; i++) {
      const one = this.all[i] as T;
      if (fits(one)) found.push(one);
    }
    return found;
  }
}

import type { RequestHasher } from "@bank/core";

/** A slot's words: the four of the id, then … */
const PRINCIPAL = 4;
/** … how often it is here; 0 where the slot is free. */
const COUNT = 5;
const SLOT_WORDS = 6;
const SLOTS_MIN = 64;

/**
 * Counts keys of requests. They stand in one column of words, in slots by their hash; where a slot is taken, in the next
 * that is free: nothing is made for a key. At most half of the slots are taken.
 */
export class JobIds {
  private readonly hasher: Pick<RequestHasher, "hash">;
  private readonly principals = new Map<string, number>();
  private mask = SLOTS_MIN - 1;
  private slots = new Int32Array(SLOTS_MIN * SLOT_WORDS);
  private size = 0;

  constructor(hasher: Pick<RequestHasher, "hash">) {
    this.hasher = hasher;
  }

  /** @param words the id's four, little-endian. */
  has(principal: string, words: Int32Array): boolean {
    const number = this.principals.get(principal);
    return number !== undefined && (this.slots[this.find(number, words) + COUNT] as number) > 0;
  }

  add(principal: string, words: Int32Array): void {
    if (2 * (this.size + 1) > this.mask + 1) this.grow();
    let number = this.principals.get(principal);
    if (number === undefined) {
      number = this.principals.size;
      this.principals.set(principal, number);
    }
    const { slots } = this;
    const at = this.find(number, words);
    const count = slots[at + COUNT] as number;
    slots[at + COUNT] = count + 1;
    if (count > 0) return;
    for (let i = 0; i < 4; i++) slots[at + i] = words[i] as number;
    slots[at + PRINCIPAL] = number;
    this.size++;
  }

  /** Takes back one `add`. */
  remove(principal: string, words: Int32Array): void {
    const number = this.principals.get(principal);
    if (number === undefined) return;
    const { slots } = this;
    const at = this.find(number, words);
    const count = slots[at + COUNT] as number;
    if (count === 0) return;
    slots[at + COUNT] = count - 1;
    if (count === 1) this.close(at);
  }

  /** Where the key is, or where it would come. */
  private find(principal: number, words: Int32Array): number {
    const { slots, mask } = this;
    for (let slot = this.hasher.hash(principal, words, 0) & mask; ; slot = (slot + 1) & mask) {
      const at = slot * SLOT_WORDS;
      const isHere =
        slots[at] === words[0] &&
        slots[at + 1] === words[1] &&
        slots[at + 2] === words[2] &&
        slots[at + 3] === words[3] &&
        slots[at + PRINCIPAL] === principal;
      if (isHere || slots[at + COUNT] === 0) return at;
    }
  }

  /** Moves keys up into a slot that became free, so that none stands behind a free one that it should be found before. */
  private close(at: number): void {
    const { slots, mask } = this;
    this.size--;
    let free = at / SLOT_WORDS;
    for (let slot = (free + 1) & mask; (slots[slot * SLOT_WORDS + COUNT] as number) > 0; slot = (slot + 1) & mask) {
      const from = slot * SLOT_WORDS;
      const first = this.hasher.hash(slots[from + PRINCIPAL] as number, slots, from) & mask;
      if (((slot - first) & mask) < ((slot - free) & mask)) continue;
      slots.copyWithin(free * SLOT_WORDS, from, from + SLOT_WORDS);
      slots[from + COUNT] = 0;
      free = slot;
    }
  }

  private grow(): void {
    const { slots: before } = this;
    this.mask = 2 * this.mask + 1;
    this.slots = new Int32Array((this.mask + 1) * SLOT_WORDS);
    for (let from = 0; from < before.length; from += SLOT_WORDS) {
      if (before[from + COUNT] === 0) continue;
      let slot = this.hasher.hash(before[from + PRINCIPAL] as number, before, from) & this.mask;
      while ((this.slots[slot * SLOT_WORDS + COUNT] as number) > 0) slot = (slot + 1) & this.mask;
      for (let i = 0; i < SLOT_WORDS; i++) this.slots[slot * SLOT_WORDS + i] = before[from + i] as number;
    }
  }
}

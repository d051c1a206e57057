import { assert } from "../assert.ts";
import { grown } from "./grown.ts";

/** Where a hold stands in the heap when it does not. */
const ABSENT = 0xffff_ffff;

/**
 * Open holds that end by themselves, by their index in the table of holds, in the order of time, then of index: a binary
 * heap in typed arrays, 8 bytes a hold. It knows where each hold stands, so that one that ends early leaves at once.
 */
export class ExpiryQueue {
  private readonly expiresMs: (hold: number) => number;
  private heap = new Uint32Array(64);
  /** Place in the heap by hold. */
  private places = new Uint32Array(64).fill(ABSENT);
  private length = 0;

  /** @param expiresMs when a hold ends; it must not change while the hold is in here. */
  constructor(expiresMs: (hold: number) => number) {
    this.expiresMs = expiresMs;
  }

  get size(): number {
    return this.length;
  }

  /** The hold that ends first; undefined when there is none. */
  first(): number | undefined {
    return this.length === 0 ? undefined : this.heap[0];
  }

  add(hold: number): void {
    this.makeRoom(hold);
    assert(this.places[hold] === ABSENT, "a hold waits once for its time");
    this.rise(this.length++, hold);
  }

  remove(hold: number): void {
    const place = this.places[hold];
    assert(place !== undefined && place !== ABSENT, "the hold waits for its time");
    this.places[hold] = ABSENT;
    const last = this.heap[--this.length] as number;
    if (last === hold) return;
    // The last takes the free place, and from there its own.
    if (place > 0 && this.isBefore(last, this.heap[(place - 1) >> 1] as number)) this.rise(place, last);
    else this.sink(place, last);
  }

  private rise(from: number, hold: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = this.heap[parent] as number;
      if (!this.isBefore(hold, above)) break;
      this.put(at, above);
      at = parent;
    }
    this.put(at, hold);
  }

  private sink(from: number, hold: number): void {
    let at = from;
    for (let child = 2 * at + 1; child < this.length; child = 2 * at + 1) {
      const right = child + 1;
      if (right < this.length && this.isBefore(this.heap[right] as number, this.heap[child] as number)) child = right;
      const below = this.heap[child] as number;
      if (!this.isBefore(below, hold)) break;
      this.put(at, below);
      at = child;
    }
    this.put(at, hold);
  }

  private put(place: number, hold: number): void {
    this.heap[place] = hold;
    this.places[hold] = place;
  }

  private isBefore(a: number, b: number): boolean {
    const difference = this.expiresMs(a) - this.expiresMs(b);
    return difference < 0 || (difference === 0 && a < b);
  }

  private makeRoom(hold: number): void {
    if (this.length === this.heap.length) this.heap = grown(new Uint32Array(this.length * 2), this.heap);
    let capacity = this.places.length;
    while (capacity <= hold) capacity *= 2;
    if (capacity > this.places.length) this.places = grown(new Uint32Array(capacity).fill(ABSENT), this.places);
  }
}

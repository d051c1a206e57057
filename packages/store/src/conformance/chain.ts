import { createHash } from "node:crypto";
import type { StoredBatch } from "../port.ts";

export const BANK_ID = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
export const OTHER_BANK_ID = Uint8Array.from({ length: 16 }, (_, i) => 255 - i);

/** The hash before the first batch of the chains below. */
export const GENESIS_HASH = hash(new Uint8Array(), Uint8Array.of(0));

/** What a made batch is like; each part has a default. */
export interface BatchShape {
  /** How many positions it takes. Default 1. */
  readonly records?: number;
  /** Default 100. */
  readonly frameBytes?: number;
  /** Tells apart two batches that are otherwise made alike. Default 0. */
  readonly variant?: number;
  /** The last bytes of the frame. Default none. */
  readonly ending?: readonly number[];
}

/** Grows a chain of batches as a journal would make them: contiguous, each hash over the one before and the frame. */
export class Chain {
  readonly batches: StoredBatch[] = [];

  constructor(batches: readonly StoredBatch[] = []) {
    this.batches.push(...batches);
  }

  get end(): number {
    return this.batches.at(-1)?.lastPosition ?? 0;
  }

  get hash(): Uint8Array {
    return this.batches.at(-1)?.chainHash ?? GENESIS_HASH;
  }

  /** Makes the batch that comes next, without adding it. */
  next({ records = 1, frameBytes = 100, variant = 0, ending = [] }: BatchShape = {}): StoredBatch {
    const firstPosition = this.end + 1;
    const frame = new Uint8Array(frameBytes);
    // No period that a page or a power of two would hide.
    for (let i = 0; i < frameBytes; i++) frame[i] = (firstPosition * 31 + variant * 17 + i * 7 + (i >> 8)) % 251;
    frame.set(ending, frameBytes - ending.length);
    return {
      firstPosition,
      lastPosition: firstPosition + records - 1,
      frame,
      previousHash: this.hash,
      chainHash: hash(this.hash, frame),
    };
  }

  /** Makes the batch that comes next and adds it. */
  grow(shape?: BatchShape): StoredBatch {
    const batch = this.next(shape);
    this.batches.push(batch);
    return batch;
  }

  /** Grows by so many batches and gives those. */
  growBy(count: number, shape?: BatchShape): StoredBatch[] {
    return Array.from({ length: count }, () => this.grow(shape));
  }
}

/** The chain hash after a batch. */
export function hash(previousHash: Uint8Array, frame: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(previousHash).update(frame).digest());
}

import { assert } from "../assert.ts";
import type { Position, RequestId } from "../identifiers.ts";
import { requestIdFromBytes } from "../identifiers.ts";
import { RequestHasher } from "./request-hasher.ts";

const CHUNK_BITS = 12;
const CHUNK_SIZE = 1 << CHUNK_BITS;
const CHUNK_MASK = CHUNK_SIZE - 1;

/** 36 bytes an entry; allocated a chunk at a time, so that growth never copies what is there. */
interface Chunk {
  readonly ids: Int32Array;
  readonly principals: Uint32Array;
  readonly positions: Float64Array;
  readonly hashes: Int32Array;
}

/** What is remembered of one request. */
export interface RequestEntry {
  readonly id: RequestId;
  /** Index of the principal. */
  readonly principal: number;
  /** Position of the record that answers it. */
  readonly position: Position;
  readonly hashLow: number;
  readonly hashHigh: number;
}

/**
 * Every request that was ever answered, by (principal, request id): ledger state, in the order of positions. Entries
 * lie in typed arrays with an open-addressing index over them: 36 bytes an entry and 5 to 11 for the index.
 *
 * The index is seeded per process, so that nobody can choose ids that collide; the seed decides only where an entry is
 * found, never what the table holds.
 */
export class RequestTable {
  private readonly chunks: Chunk[] = [];
  private length = 0;
  private slots = new Uint32Array(1024);
  private readonly hasher: RequestHasher;
  private readonly key = new Int32Array(4);

  /** @param seed any 32 bits, different in each process. */
  constructor(seed: number) {
    this.hasher = new RequestHasher(seed);
  }

  get count(): number {
    return this.length;
  }

  /** Number of the entry for this key; -1 when there is none. */
  find(principal: number, id: RequestId): number {
    loadKey(this.key, id);
    const mask = this.slots.length - 1;
    for (let slot = this.hasher.hash(principal, this.key, 0) & mask; ; slot = (slot + 1) & mask) {
      const entry = (this.slots[slot] as number) - 1;
      if (entry < 0) return -1;
      if (this.matches(entry, principal)) return entry;
    }
  }

  /** Adds an entry that is not there yet, at a position above all others. */
  push(principal: number, id: RequestId, position: Position, hashLow: number, hashHigh: number): void {
    if ((this.length + 1) * 4 > this.slots.length * 3) this.growIndex();
    const entry = this.length;
    const offset = entry & CHUNK_MASK;
    if (offset === 0 && entry >> CHUNK_BITS === this.chunks.length) this.chunks.push(newChunk());
    const chunk = this.chunks[entry >> CHUNK_BITS] as Chunk;
    loadKey(this.key, id);
    chunk.ids.set(this.key, offset * 4);
    chunk.principals[offset] = principal;
    chunk.positions[offset] = position;
    chunk.hashes[offset * 2] = hashLow;
    chunk.hashes[offset * 2 + 1] = hashHigh;
    this.length++;
    this.insertIntoIndex(entry);
  }

  /**
   * Takes the newest entry away again. Linear probing needs no tombstone for it: nothing was inserted behind it, and
   * `growIndex` inserts in the order of entries.
   */
  pop(): void {
    assert(this.length > 0, "there is a request to forget");
    const entry = this.length - 1;
    const mask = this.slots.length - 1;
    let slot = this.slotHashOf(entry) & mask;
    while (this.slots[slot] !== entry + 1) slot = (slot + 1) & mask;
    this.slots[slot] = 0;
    this.length--;
  }

  /** Position of the record that answers the request of this entry. */
  positionOf(entry: number): Position {
    return this.chunkOf(entry).positions[entry & CHUNK_MASK] as number;
  }

  /** Whether the entry was made for a command with this hash. */
  hasHash(entry: number, hashLow: number, hashHigh: number): boolean {
    const { hashes } = this.chunkOf(entry);
    const offset = (entry & CHUNK_MASK) * 2;
    return hashes[offset] === hashLow && hashes[offset + 1] === hashHigh;
  }

  /** A copy of the entry. */
  entryAt(entry: number): RequestEntry {
    assert(entry >= 0 && entry < this.length, "the request entry exists");
    const chunk = this.chunkOf(entry);
    const offset = entry & CHUNK_MASK;
    const id = new Uint8Array(16);
    const view = new DataView(id.buffer);
    for (let i = 0; i < 4; i++) view.setInt32(i * 4, chunk.ids[offset * 4 + i] as number, true);
    return {
      id: requestIdFromBytes(id),
      principal: chunk.principals[offset] as number,
      position: chunk.positions[offset] as number,
      hashLow: chunk.hashes[offset * 2] as number,
      hashHigh: chunk.hashes[offset * 2 + 1] as number,
    };
  }

  private chunkOf(entry: number): Chunk {
    return this.chunks[entry >> CHUNK_BITS] as Chunk;
  }

  private matches(entry: number, principal: number): boolean {
    const chunk = this.chunkOf(entry);
    const offset = entry & CHUNK_MASK;
    const at = offset * 4;
    return (
      chunk.ids[at] === this.key[0] &&
      chunk.ids[at + 1] === this.key[1] &&
      chunk.ids[at + 2] === this.key[2] &&
      chunk.ids[at + 3] === this.key[3] &&
      chunk.principals[offset] === principal
    );
  }

  private slotHashOf(entry: number): number {
    const chunk = this.chunkOf(entry);
    const offset = entry & CHUNK_MASK;
    return this.hasher.hash(chunk.principals[offset] as number, chunk.ids, offset * 4);
  }

  private insertIntoIndex(entry: number): void {
    const mask = this.slots.length - 1;
    let slot = this.slotHashOf(entry) & mask;
    while (this.slots[slot] !== 0) slot = (slot + 1) & mask;
    this.slots[slot] = entry + 1;
  }

  private growIndex(): void {
    this.slots = new Uint32Array(this.slots.length * 2);
    for (let entry = 0; entry < this.length; entry++) this.insertIntoIndex(entry);
  }
}

function newChunk(): Chunk {
  return {
    ids: new Int32Array(CHUNK_SIZE * 4),
    principals: new Uint32Array(CHUNK_SIZE),
    positions: new Float64Array(CHUNK_SIZE),
    hashes: new Int32Array(CHUNK_SIZE * 2),
  };
}

function loadKey(key: Int32Array, id: RequestId): void {
  for (let i = 0, at = 0; i < 4; i++, at += 4) {
    key[i] =
      (id[at] as number) |
      ((id[at + 1] as number) << 8) |
      ((id[at + 2] as number) << 16) |
      ((id[at + 3] as number) << 24);
  }
}

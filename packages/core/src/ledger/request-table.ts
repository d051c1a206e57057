import { assert } from "../assert.ts";
import { CANCELLED_HASH } from "../command-hash.ts";
import type { Position, RequestId } from "../identifiers.ts";
import { idOfWords, writeIdWords } from "../request-id-words.ts";
import { RequestHasher } from "./request-hasher.ts";
import { type IndexedEntries, RequestIndex, TOUCHED_MAX } from "./request-index.ts";
import { HighWords } from "./request-positions.ts";

const CHUNK_BITS = 12;
const CHUNK_ENTRIES = 1 << CHUNK_BITS;
const CHUNK_MASK = CHUNK_ENTRIES - 1;

/** Entries that go into the index at once: it takes 12 bytes more for each meanwhile. */
const INDEXED_AT_ONCE = 1 << 24;

/** Where the fields of an entry stand among its 32-bit words; they begin with the four of the id. */
const Word = { PRINCIPAL: 4, POSITION_LOW: 5, HASH_LOW: 6, HASH_HIGH: 7, COUNT: 8 } as const;

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

/** Entries as columns of 32-bit words. */
export interface RequestColumns {
  /** Four each: the bytes of the id, little-endian. */
  readonly ids: Int32Array<ArrayBuffer>;
  readonly principals: Int32Array<ArrayBuffer>;
  /** Two each, the low one first. */
  readonly positions: Int32Array<ArrayBuffer>;
  /** Two each, the low one first. */
  readonly hashes: Int32Array<ArrayBuffer>;
}

/**
 * Every request that was ever answered, by (principal, request id): ledger state, in the order of positions. An entry
 * takes 32 bytes, in chunks that are never moved, and 13.5 to 15.8 in the index over them. Both grow by small steps: no
 * call waits for all that is there to be moved.
 *
 * The index is seeded per process, so that nobody can choose ids that collide; the seed decides only where an entry is
 * found, never what the table holds.
 */
export class RequestTable implements IndexedEntries {
  private readonly chunks: Int32Array[] = [];
  private length = 0;
  /** So many of them are in the index. */
  private indexed = 0;
  /** Of those behind, the hashes, in their order. */
  private pushedHashes: Int32Array[] = [];
  private readonly positionHighs = new HighWords();
  private readonly hasher: RequestHasher;
  private readonly index = new RequestIndex(this);
  private readonly key: Int32Array = new Int32Array(4);
  private readonly touchedHashes = new Int32Array(TOUCHED_MAX);
  private soughtPrincipal = 0;
  private soughtWords = this.key;
  private soughtAt = 0;

  /** @param seed any 32 bits, different in each process. */
  constructor(seed: number) {
    this.hasher = new RequestHasher(seed);
  }

  get count(): number {
    return this.length;
  }

  /** Bytes of memory that all of it takes. */
  get bytes(): number {
    const entryBytes = this.chunks.length * CHUNK_ENTRIES * Word.COUNT * Int32Array.BYTES_PER_ELEMENT;
    return entryBytes + this.index.bytes + this.hasher.bytes + this.key.byteLength + this.touchedHashes.byteLength;
  }

  /**
   * Makes the index large enough for so many entries. For whoever adds many to a table in which nothing is yet: it takes
   * about half the time then.
   */
  reserve(entries: number): void {
    this.index.reserve(entries);
  }

  /** Number of the entry for this key; -1 when there is none. */
  find(principal: number, id: RequestId): number {
    writeIdWords(id, this.key, 0);
    return this.findAt(principal, this.key, 0);
  }

  /** As `find`, for the id whose four little-endian words begin at `at`. */
  findAt(principal: number, words: Int32Array, at: number): number {
    if (this.indexed !== this.length) this.indexAll();
    this.soughtPrincipal = principal;
    this.soughtWords = words;
    this.soughtAt = at;
    return this.index.find(this.hasher.hash(principal, words, at));
  }

  /**
   * Reads ahead for look-ups of `count` ids that stand one behind the other from `at` on. It changes nothing, and what comes
   * from memory for many at once costs hardly more than for one: the look-ups that follow take a third of the time.
   *
   * @param count 256 at most; more would not stay in the cache until they are used.
   */
  touchAt(principal: number, words: Int32Array, at: number, count: number): void {
    const { touchedHashes } = this;
    for (let i = 0; i < count; i++) touchedHashes[i] = this.hasher.hash(principal, words, at + 4 * i);
    this.index.touch(touchedHashes, count);
  }

  /** Adds an entry that is not there yet, at a position above all others. */
  push(principal: number, id: RequestId, position: Position, hashLow: number, hashHigh: number): void {
    writeIdWords(id, this.key, 0);
    this.pushAt(principal, this.key, 0, position, hashLow, hashHigh);
  }

  /** As `push`, for the id whose four little-endian words begin at `at`. */
  pushAt(
    principal: number,
    words: Int32Array,
    at: number,
    position: Position,
    hashLow: number,
    hashHigh: number,
  ): void {
    if (this.indexed !== this.length) this.indexAll();
    const entry = this.length;
    const offset = offsetOf(entry);
    const chunk = this.chunkFor(entry);
    chunk[offset] = words[at] as number;
    chunk[offset + 1] = words[at + 1] as number;
    chunk[offset + 2] = words[at + 2] as number;
    chunk[offset + 3] = words[at + 3] as number;
    chunk[offset + Word.PRINCIPAL] = principal;
    chunk[offset + Word.POSITION_LOW] = position | 0;
    chunk[offset + Word.HASH_LOW] = hashLow;
    chunk[offset + Word.HASH_HIGH] = hashHigh;
    this.positionHighs.push(entry, Math.floor(position / 4_294_967_296));
    this.index.add(this.hasher.hash(principal, words, at), entry);
    this.length++;
    this.indexed++;
  }

  /**
   * Adds many entries that are not there yet, at positions above all others. They are put into the index all at once, by
   * `indexAll` or before the next look-up, which is several times as fast as one by one.
   */
  pushAll({ ids, principals, positions, hashes }: RequestColumns): void {
    const count = principals.length;
    const { hasher } = this;
    const begun = new Int32Array(count);
    for (let i = 0; i < count; ) {
      const entry = this.length + i;
      const chunk = this.chunkFor(entry);
      const end = Math.min(count, i + CHUNK_ENTRIES - (entry & CHUNK_MASK));
      for (let offset = offsetOf(entry); i < end; i++, offset += Word.COUNT) {
        const principal = principals[i] as number;
        chunk[offset] = ids[4 * i] as number;
        chunk[offset + 1] = ids[4 * i + 1] as number;
        chunk[offset + 2] = ids[4 * i + 2] as number;
        chunk[offset + 3] = ids[4 * i + 3] as number;
        chunk[offset + Word.PRINCIPAL] = principal;
        chunk[offset + Word.POSITION_LOW] = positions[2 * i] as number;
        chunk[offset + Word.HASH_LOW] = hashes[2 * i] as number;
        chunk[offset + Word.HASH_HIGH] = hashes[2 * i + 1] as number;
        this.positionHighs.push(this.length + i, positions[2 * i + 1] as number);
        begun[i] = hasher.hash(principal, ids, 4 * i);
      }
    }
    this.length += count;
    this.pushedHashes.push(begun);
    if (this.length - this.indexed >= INDEXED_AT_ONCE) this.indexAll();
  }

  /** Puts what `pushAll` added into the index, so that no look-up has to. */
  indexAll(): void {
    if (this.indexed === this.length) return;
    const hashes = new Int32Array(this.length - this.indexed);
    let at = 0;
    for (const pushed of this.pushedHashes) {
      hashes.set(pushed, at);
      at += pushed.length;
    }
    assert(at === hashes.length, "what is not in the index is there to be put into it");
    this.pushedHashes = [];
    this.index.addAll(hashes, this.indexed);
    this.indexed = this.length;
  }

  /** Takes the newest entry away again. */
  pop(): void {
    assert(this.length > 0, "there is a request to forget");
    if (this.indexed !== this.length) this.indexAll();
    const entry = this.length - 1;
    this.index.remove(this.hashOf(entry), entry);
    this.positionHighs.pop(entry);
    this.length--;
    this.indexed--;
  }

  /** Position of the record that answers the request of this entry. */
  positionOf(entry: number): Position {
    const low = this.chunkOf(entry)[offsetOf(entry) + Word.POSITION_LOW] as number;
    return this.positionHighs.of(entry) * 4_294_967_296 + (low >>> 0);
  }

  /** Whether the entry was made for a command with this hash. */
  hasHash(entry: number, hashLow: number, hashHigh: number): boolean {
    const chunk = this.chunkOf(entry);
    const offset = offsetOf(entry);
    return chunk[offset + Word.HASH_LOW] === hashLow && chunk[offset + Word.HASH_HIGH] === hashHigh;
  }

  /** Whether the request of this entry was ruled out before it was carried out. */
  isCancelled(entry: number): boolean {
    return this.hasHash(entry, CANCELLED_HASH.low, CANCELLED_HASH.high);
  }

  /** A copy of the entry. */
  entryAt(entry: number): RequestEntry {
    assert(entry >= 0 && entry < this.length, "the request entry exists");
    const chunk = this.chunkOf(entry);
    const offset = offsetOf(entry);
    return {
      id: idOfWords(chunk, offset),
      principal: chunk[offset + Word.PRINCIPAL] as number,
      position: this.positionOf(entry),
      hashLow: chunk[offset + Word.HASH_LOW] as number,
      hashHigh: chunk[offset + Word.HASH_HIGH] as number,
    };
  }

  /** A copy of the entries `from` to before `to`, fast: for whoever wants all of them. */
  columns(from: number, to: number): RequestColumns {
    assert(from >= 0 && from <= to && to <= this.length, "the request entries exist");
    const count = to - from;
    const ids = new Int32Array(4 * count);
    const principals = new Int32Array(count);
    const positions = new Int32Array(2 * count);
    const hashes = new Int32Array(2 * count);
    for (let i = 0; i < count; i++) {
      const chunk = this.chunkOf(from + i);
      const offset = offsetOf(from + i);
      for (let word = 0; word < 4; word++) ids[4 * i + word] = chunk[offset + word] as number;
      principals[i] = chunk[offset + Word.PRINCIPAL] as number;
      positions[2 * i] = chunk[offset + Word.POSITION_LOW] as number;
      positions[2 * i + 1] = this.positionHighs.of(from + i);
      hashes[2 * i] = chunk[offset + Word.HASH_LOW] as number;
      hashes[2 * i + 1] = chunk[offset + Word.HASH_HIGH] as number;
    }
    return { ids, principals, positions, hashes };
  }

  /** For the index. */
  isSought(entry: number): boolean {
    const chunk = this.chunkOf(entry);
    const offset = offsetOf(entry);
    const { soughtWords, soughtAt } = this;
    return (
      chunk[offset] === soughtWords[soughtAt] &&
      chunk[offset + 1] === soughtWords[soughtAt + 1] &&
      chunk[offset + 2] === soughtWords[soughtAt + 2] &&
      chunk[offset + 3] === soughtWords[soughtAt + 3] &&
      chunk[offset + Word.PRINCIPAL] === this.soughtPrincipal
    );
  }

  private hashOf(entry: number): number {
    const chunk = this.chunkOf(entry);
    const offset = offsetOf(entry);
    return this.hasher.hash(chunk[offset + Word.PRINCIPAL] as number, chunk, offset);
  }

  private chunkFor(entry: number): Int32Array {
    if (entry >>> CHUNK_BITS === this.chunks.length) this.chunks.push(new Int32Array(CHUNK_ENTRIES * Word.COUNT));
    return this.chunkOf(entry);
  }

  private chunkOf(entry: number): Int32Array {
    return this.chunks[entry >>> CHUNK_BITS] as Int32Array;
  }
}

function offsetOf(entry: number): number {
  return (entry & CHUNK_MASK) * Word.COUNT;
}

import { assert } from "../assert.ts";

/** Slots of a segment. */
const SEGMENT_BITS = 11;
const SEGMENT_SLOTS = 1 << SEGMENT_BITS;
const SLOT_MASK = SEGMENT_SLOTS - 1;
/** A segment that holds so many entries is split: nine tenths of its slots. */
const SEGMENT_ENTRIES_MAX = 1843;
/** How many are to be expected in a segment that is laid out beforehand: it has hardly ever to be split then. */
const SEGMENT_ENTRIES_RESERVED = 1650;
/** Of a slot: what it takes in memory. */
const SLOT_BYTES = 5;
/** Segments are allocated so many at a time. */
const PAGE_BITS = 3;
const PAGE_SEGMENTS = 1 << PAGE_BITS;
const PAGE_MASK = PAGE_SEGMENTS - 1;
/** Bound of the directory: more than 2^32 entries need with evenly spread hashes. */
const DIRECTORY_PLACES_MAX = 1 << 24;

/** 5 bytes a slot. */
interface Page {
  /** 0 where the slot is empty, else 8 bits of the entry's hash. */
  readonly tags: Uint8Array;
  readonly entries: Uint32Array;
  /** Of each segment, how many of its slots are taken. */
  readonly counts: Uint16Array;
}

/** What the index is over. */
export interface IndexedEntries {
  /** Whether the entry is the one that is being looked for. */
  isSought(entry: number): boolean;
  /** Finds the hashes of so many entries: any 32 bits, with or without a sign, evenly spread. */
  hashesOf(entries: Uint32Array, hashes: Int32Array): void;
}

/**
 * Where entries are found by their hash. It grows a little with the inserts and never at one go: entries lie in
 * segments of 2,048 slots, and a segment that is full is split into two. However many entries there are, an insert
 * moves 1,843 of them at most.
 *
 * In a segment it is open addressing with linear probing. A byte of the hash stands beside each slot, so that a look-up
 * hardly ever goes to an entry that it is not looking for, and a segment can be nine tenths full.
 *
 * A directory says which segment is for which part of the hashes, and a split halves a part (extendible hashing). Were
 * all parts as likely, all segments would be full at about the same time, and every insert of that time slow. So the
 * directory is bent: the part of its last place is twice as likely as that of its first, which is as much as a split
 * takes away. At any time some segments are about to be split and others just were, and the index takes about 8.2 bytes
 * an entry at any size but the smallest.
 *
 * Sources: Fagin, Nievergelt, Pippenger, Strong, "Extendible Hashing", 1979; for the unlike parts Martin, "Spiral
 * Storage", 1979.
 */
export class RequestIndex {
  private readonly pages: Page[] = [newPage()];
  private segments = 1;
  /** Numbers of segments. One that is less often halved than others stands here several times, side by side. */
  private directory = new Uint32Array(1);
  private readonly movedEntries = new Uint32Array(SEGMENT_ENTRIES_MAX);
  private readonly movedHashes = new Int32Array(SEGMENT_ENTRIES_MAX);

  private readonly indexed: IndexedEntries;

  constructor(indexed: IndexedEntries) {
    this.indexed = indexed;
  }

  /** Bytes of memory that it takes. */
  get bytes(): number {
    const { pages, directory, movedEntries, movedHashes } = this;
    const pageBytes = PAGE_SEGMENTS * (SEGMENT_SLOTS * SLOT_BYTES + Uint16Array.BYTES_PER_ELEMENT);
    return pages.length * pageBytes + directory.byteLength + movedEntries.byteLength + movedHashes.byteLength;
  }

  /** Lays out an index in which nothing is yet, so that hardly any of so many entries will be moved. */
  reserve(entries: number): void {
    assert(this.segments === 1 && this.countOf(0) === 0, "only an empty index is laid out");
    let places = 1;
    while ((entries / places) * PART_MAX > SEGMENT_ENTRIES_RESERVED) places *= 2;
    this.directory = new Uint32Array(places);
    for (let place = 1; place < places; place++) {
      const pair = partBelow((place + 1) / places) - partBelow((place - 1) / places);
      const sharesSegment = place % 2 === 1 && entries * pair <= SEGMENT_ENTRIES_RESERVED;
      this.directory[place] = sharesSegment ? (this.directory[place - 1] as number) : this.newSegment();
    }
  }

  /** The entry with this hash that is being looked for; -1 when there is none. */
  find(hash: number): number {
    const segment = this.segmentOf(hash);
    const { tags, entries } = this.pages[segment >>> PAGE_BITS] as Page;
    const first = (segment & PAGE_MASK) << SEGMENT_BITS;
    const tag = tagOf(hash);
    for (let slot = hash & SLOT_MASK; ; slot = (slot + 1) & SLOT_MASK) {
      const found = tags[first + slot] as number;
      if (found === 0) return -1;
      if (found === tag && this.indexed.isSought(entries[first + slot] as number))
        return entries[first + slot] as number;
    }
  }

  /** Adds an entry that is not there yet, with a number above all others. */
  add(hash: number, entry: number): void {
    let segment = this.segmentOf(hash);
    while (this.countOf(segment) === SEGMENT_ENTRIES_MAX) {
      this.split(segment, hash);
      segment = this.segmentOf(hash);
    }
    this.insert(segment, hash, entry);
  }

  /**
   * Takes the entry with the highest number away again. Linear probing needs no tombstone for it: nothing was inserted
   * behind it, and `split` inserts by ascending numbers.
   */
  removeNewest(hash: number, entry: number): void {
    const segment = this.segmentOf(hash);
    const { tags, entries, counts } = this.pages[segment >>> PAGE_BITS] as Page;
    const first = (segment & PAGE_MASK) << SEGMENT_BITS;
    let slot = hash & SLOT_MASK;
    while (entries[first + slot] !== entry || tags[first + slot] === 0) {
      assert(tags[first + slot] !== 0, `entry ${entry} is in the index`);
      slot = (slot + 1) & SLOT_MASK;
    }
    tags[first + slot] = 0;
    counts[segment & PAGE_MASK] = (counts[segment & PAGE_MASK] as number) - 1;
  }

  private segmentOf(hash: number): number {
    return this.directory[this.placeOf(hash)] as number;
  }

  /**
   * Place of a hash in the directory, by `x (4 − x) / 3` for x from 0 to 1. A directory of twice the length has a hash
   * at twice its place or one further: multiplying by a power of two is exact.
   */
  private placeOf(hash: number): number {
    const x = (hash >>> 0) / 4_294_967_296;
    return Math.floor(((x * (4 - x)) / 3) * this.directory.length);
  }

  private countOf(segment: number): number {
    return (this.pages[segment >>> PAGE_BITS] as Page).counts[segment & PAGE_MASK] as number;
  }

  private insert(segment: number, hash: number, entry: number): void {
    const { tags, entries, counts } = this.pages[segment >>> PAGE_BITS] as Page;
    const first = (segment & PAGE_MASK) << SEGMENT_BITS;
    let slot = hash & SLOT_MASK;
    while (tags[first + slot] !== 0) slot = (slot + 1) & SLOT_MASK;
    tags[first + slot] = tagOf(hash);
    entries[first + slot] = entry;
    counts[segment & PAGE_MASK] = (counts[segment & PAGE_MASK] as number) + 1;
  }

  /** Moves the upper half of what a segment is for, into which `hash` falls, into a new segment. */
  private split(segment: number, hash: number): void {
    let place = this.placeOf(hash);
    if (!this.standsBeside(segment, place)) {
      this.doubleDirectory();
      place = this.placeOf(hash);
    }
    let from = place;
    while (this.directory[from - 1] === segment) from--;
    let to = place + 1;
    while (this.directory[to] === segment) to++;
    this.directory.fill(this.newSegment(), (from + to) / 2, to);
    this.insertAnew(segment);
  }

  /** Whether the segment stands in the directory more than once. */
  private standsBeside(segment: number, place: number): boolean {
    return this.directory[place - 1] === segment || this.directory[place + 1] === segment;
  }

  private doubleDirectory(): void {
    assert(this.directory.length < DIRECTORY_PLACES_MAX, "the hashes of requests are spread");
    const doubled = new Uint32Array(this.directory.length * 2);
    for (let place = 0; place < doubled.length; place++) doubled[place] = this.directory[place >> 1] as number;
    this.directory = doubled;
  }

  private newSegment(): number {
    const segment = this.segments++;
    if (segment >>> PAGE_BITS === this.pages.length) this.pages.push(newPage());
    return segment;
  }

  /** Puts each entry of a segment where the directory now says. */
  private insertAnew(segment: number): void {
    const { movedEntries, movedHashes } = this;
    const { tags, entries, counts } = this.pages[segment >>> PAGE_BITS] as Page;
    const first = (segment & PAGE_MASK) << SEGMENT_BITS;
    let count = 0;
    for (let at = first; at < first + SEGMENT_SLOTS; at++) {
      if (tags[at] !== 0) movedEntries[count++] = entries[at] as number;
    }
    assert(count === SEGMENT_ENTRIES_MAX, "a full segment is split");
    movedEntries.sort();
    tags.fill(0, first, first + SEGMENT_SLOTS);
    counts[segment & PAGE_MASK] = 0;
    this.indexed.hashesOf(movedEntries, movedHashes);
    for (let i = 0; i < count; i++) {
      const hash = movedHashes[i] as number;
      this.insert(this.segmentOf(hash), hash, movedEntries[i] as number);
    }
  }
}

/** How likely a hash is at the last place of a directory, where 1 is the mean of all places; it is 3/4 at the first. */
const PART_MAX = 3 / 2;

/** Which part of the hashes stands before a part of the directory: `placeOf` the other way round. */
function partBelow(place: number): number {
  return 2 - Math.sqrt(4 - 3 * place);
}

function newPage(): Page {
  return {
    tags: new Uint8Array(SEGMENT_SLOTS * PAGE_SEGMENTS),
    entries: new Uint32Array(SEGMENT_SLOTS * PAGE_SEGMENTS),
    counts: new Uint16Array(PAGE_SEGMENTS),
  };
}

/** 1 to 255, out of all bits of a hash: those in one segment have many in common. */
function tagOf(hash: number): number {
  return Math.imul(hash, 0x9e37_79b1) >>> 24 || 1;
}

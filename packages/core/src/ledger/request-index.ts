import { assert } from "../assert.ts";

/** Slots of a segment. */
const SEGMENT_BITS = 11;
const SEGMENT_SLOTS = 1 << SEGMENT_BITS;
/** A slot is two words: the hash of an entry, and behind it the number of the entry plus 1; 0 where the slot is empty. */
const SLOT_WORDS = 2;
const SEGMENT_WORDS = SEGMENT_SLOTS * SLOT_WORDS;
const WORD_MASK = SEGMENT_WORDS - 1;
/** A segment that holds so many entries is split: 84 in a hundred of its slots. */
const SEGMENT_ENTRIES_MAX = 1720;
/** How many are to be expected in a segment that is laid out beforehand: it has hardly ever to be split then. */
const SEGMENT_ENTRIES_RESERVED = 1640;
/** Segments are allocated so many at a time. */
const PAGE_BITS = 3;
const PAGE_SEGMENTS = 1 << PAGE_BITS;
const PAGE_MASK = PAGE_SEGMENTS - 1;
/** Bound of the directory: more than 2^32 entries need with evenly spread hashes. */
const DIRECTORY_PLACES_MAX = 1 << 24;

/** Entries that are added at once are sorted by so many highest bits of their hashes first. */
const PARTITION_BITS = 8;
const PARTITIONS = 1 << PARTITION_BITS;
const PARTITION_SHIFT = 32 - PARTITION_BITS;

/** So many look-ups at most are read ahead at once. */
export const TOUCHED_MAX = 256;

/** What the index is over. */
export interface IndexedEntries {
  /** Whether the entry is the one that is being looked for. */
  isSought(entry: number): boolean;
}

/**
 * Where entries are found by their hash. It grows a little with the inserts and never at one go: entries lie in
 * segments of 2,048 slots, and a segment that is full is split into two. However many entries there are, an insert
 * moves 1,720 of them at most.
 *
 * In a segment it is open addressing with linear probing. Where there is more than the caches hold, all that counts is how
 * many lines of memory are touched: so the whole hash stands beside the number of its entry. A new id needs one or two
 * neighbouring lines then, a known one the entry as well, and a split nothing but the segment.
 *
 * A directory says which segment is for which part of the hashes, and a split halves a part (extendible hashing). Were
 * all parts as likely, all segments would be full at about the same time, and every insert of that time slow. So the
 * directory is bent: the part of its last place is twice as likely as that of its first, which is as much as a split
 * takes away. At any time some segments are about to be split and others just were, and the index takes 13.5 to 15.8 bytes
 * an entry at any size but the smallest.
 *
 * Sources: Fagin, Nievergelt, Pippenger, Strong, "Extendible Hashing", 1979; for the unlike parts Martin, "Spiral
 * Storage", 1979.
 */
export class RequestIndex {
  private readonly pages: Int32Array[] = [newPage()];
  private segments = 1;
  /** Of each segment, how many of its slots are taken. */
  private counts = new Uint16Array(PAGE_SEGMENTS);
  /** Numbers of segments. One that is less often halved than others stands here several times, side by side. */
  private directory = new Uint32Array(1);
  private readonly moving = new Int32Array(SEGMENT_ENTRIES_MAX * SLOT_WORDS);
  /** How many entries splits have moved so far. */
  moved = 0;
  /** The empty slot where the last look-up that found nothing ended: its segment, -1 for none, and its word in the page. */
  private vacantSegment = -1;
  private vacantHash = 0;
  private vacantAt = 0;
  private readonly touched = new Uint32Array(TOUCHED_MAX);
  /** Nobody reads it: without it reading ahead would be optimized away. */
  protected readAhead = 0;

  private readonly indexed: IndexedEntries;

  constructor(indexed: IndexedEntries) {
    this.indexed = indexed;
  }

  /** Bytes of memory that it takes. */
  get bytes(): number {
    const { pages, directory, counts, moving, touched } = this;
    const pageBytes = PAGE_SEGMENTS * SEGMENT_WORDS * Int32Array.BYTES_PER_ELEMENT;
    const others = directory.byteLength + counts.byteLength + moving.byteLength + touched.byteLength;
    return pages.length * pageBytes + others;
  }

  /** Lays out an index in which nothing is yet, so that hardly any of so many entries will be moved. */
  reserve(entries: number): void {
    assert(this.segments === 1 && this.counts[0] === 0, "only an empty index is laid out");
    let places = 1;
    while ((entries / places) * PART_MAX > SEGMENT_ENTRIES_RESERVED) places *= 2;
    this.directory = new Uint32Array(places);
    for (let place = 1; place < places; place++) {
      const pair = partBelow((place + 1) / places) - partBelow((place - 1) / places);
      const sharesSegment = place % 2 === 1 && entries * pair <= SEGMENT_ENTRIES_RESERVED;
      this.directory[place] = sharesSegment ? (this.directory[place - 1] as number) : this.newSegment();
    }
    this.vacantSegment = -1;
  }

  /** The entry with this hash that is being looked for; -1 when there is none. */
  find(hash: number): number {
    const segment = this.segmentOf(hash);
    const page = this.pages[segment >>> PAGE_BITS] as Int32Array;
    const first = firstWordOf(segment);
    for (let word = homeOf(hash); ; word = (word + SLOT_WORDS) & WORD_MASK) {
      const at = first + word;
      const found = page[at + 1] as number;
      if (found === 0) {
        this.vacantSegment = segment;
        this.vacantHash = hash;
        this.vacantAt = at;
        return -1;
      }
      if (page[at] === hash && this.indexed.isSought((found >>> 0) - 1)) return (found >>> 0) - 1;
    }
  }

  /**
   * Has memory bring what look-ups of the first `count` of these hashes will need, and changes nothing. The processor waits for
   * many lines at once where nothing else stands between the reads.
   */
  touch(hashes: Int32Array, count: number): void {
    const { pages, touched } = this;
    assert(count <= TOUCHED_MAX, "as many are read ahead as the cache holds");
    for (let i = 0; i < count; i++) touched[i] = this.segmentOf(hashes[i] as number);
    let read = 0;
    for (let i = 0; i < count; i++) {
      const segment = touched[i] as number;
      read ^= (pages[segment >>> PAGE_BITS] as Int32Array)[
        firstWordOf(segment) + homeOf(hashes[i] as number)
      ] as number;
    }
    this.readAhead = read;
  }

  /** Adds an entry that is not there yet. Right behind a look-up of the same hash that found nothing, it is quick. */
  add(hash: number, entry: number): void {
    let segment = this.vacantSegment;
    if (segment < 0 || this.vacantHash !== hash || this.counts[segment] === SEGMENT_ENTRIES_MAX) {
      segment = this.segmentOf(hash);
      while (this.counts[segment] === SEGMENT_ENTRIES_MAX) {
        this.split(segment, hash);
        segment = this.segmentOf(hash);
      }
      this.insert(segment, hash, (entry + 1) | 0);
    } else {
      const page = this.pages[segment >>> PAGE_BITS] as Int32Array;
      page[this.vacantAt] = hash;
      page[this.vacantAt + 1] = (entry + 1) | 0;
      this.counts[segment] = (this.counts[segment] as number) + 1;
    }
    this.vacantSegment = -1;
  }

  /**
   * Adds the entries from `first` on, of which these are the hashes. Sorted by the highest bits of the hashes first, so that
   * each part of the index comes into the cache once. An empty index is laid out for them.
   */
  addAll(hashes: Int32Array, first: number): void {
    if (this.segments === 1 && this.counts[0] === 0) this.reserve(hashes.length);
    const ends = new Uint32Array(PARTITIONS);
    for (let i = 0; i < hashes.length; i++) {
      const partition = (hashes[i] as number) >>> PARTITION_SHIFT;
      ends[partition] = (ends[partition] as number) + 1;
    }
    for (let partition = 0, end = 0; partition < PARTITIONS; partition++) {
      const begin = end;
      end += ends[partition] as number;
      ends[partition] = begin;
    }
    const sorted = new Int32Array(hashes.length * SLOT_WORDS);
    for (let i = 0; i < hashes.length; i++) {
      const hash = hashes[i] as number;
      const at = ends[hash >>> PARTITION_SHIFT] as number;
      ends[hash >>> PARTITION_SHIFT] = at + 1;
      sorted[at * SLOT_WORDS] = hash;
      sorted[at * SLOT_WORDS + 1] = first + i;
    }
    this.vacantSegment = -1;
    for (let at = 0; at < sorted.length; at += SLOT_WORDS)
      this.add(sorted[at] as number, (sorted[at + 1] as number) >>> 0);
  }

  /**
   * Takes an entry away again. Those behind it in its row of slots move up, as far as each may, so that no look-up ends at
   * the gap before it has come to what it looks for.
   */
  remove(hash: number, entry: number): void {
    this.vacantSegment = -1;
    const segment = this.segmentOf(hash);
    const page = this.pages[segment >>> PAGE_BITS] as Int32Array;
    const first = firstWordOf(segment);
    let gap = homeOf(hash);
    while (page[first + gap + 1] !== ((entry + 1) | 0)) {
      assert(page[first + gap + 1] !== 0, `entry ${entry} is in the index`);
      gap = (gap + SLOT_WORDS) & WORD_MASK;
    }
    for (
      let word = (gap + SLOT_WORDS) & WORD_MASK;
      page[first + word + 1] !== 0;
      word = (word + SLOT_WORDS) & WORD_MASK
    ) {
      const home = homeOf(page[first + word] as number);
      // Whose home lies behind the gap would be before it there.
      if (((word - home) & WORD_MASK) < ((word - gap) & WORD_MASK)) continue;
      page[first + gap] = page[first + word] as number;
      page[first + gap + 1] = page[first + word + 1] as number;
      gap = word;
    }
    page[first + gap + 1] = 0;
    this.counts[segment] = (this.counts[segment] as number) - 1;
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

  private insert(segment: number, hash: number, stored: number): void {
    const page = this.pages[segment >>> PAGE_BITS] as Int32Array;
    const first = firstWordOf(segment);
    let word = homeOf(hash);
    while (page[first + word + 1] !== 0) word = (word + SLOT_WORDS) & WORD_MASK;
    page[first + word] = hash;
    page[first + word + 1] = stored;
    this.counts[segment] = (this.counts[segment] as number) + 1;
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
    if (segment === this.counts.length) {
      const counts = new Uint16Array(2 * segment);
      counts.set(this.counts);
      this.counts = counts;
    }
    return segment;
  }

  /** Puts each entry of a segment where the directory now says. */
  private insertAnew(segment: number): void {
    const { moving } = this;
    const page = this.pages[segment >>> PAGE_BITS] as Int32Array;
    const first = firstWordOf(segment);
    let length = 0;
    for (let at = first; at < first + SEGMENT_WORDS; at += SLOT_WORDS) {
      if (page[at + 1] === 0) continue;
      moving[length++] = page[at] as number;
      moving[length++] = page[at + 1] as number;
    }
    assert(length === moving.length, "a full segment is split");
    page.fill(0, first, first + SEGMENT_WORDS);
    this.counts[segment] = 0;
    for (let i = 0; i < length; i += SLOT_WORDS) {
      const hash = moving[i] as number;
      this.insert(this.segmentOf(hash), hash, moving[i + 1] as number);
    }
    this.moved += SEGMENT_ENTRIES_MAX;
  }
}

/** How likely a hash is at the last place of a directory, where 1 is the mean of all places; it is 3/4 at the first. */
const PART_MAX = 3 / 2;

/** Which part of the hashes stands before a part of the directory: `placeOf` the other way round. */
function partBelow(place: number): number {
  return 2 - Math.sqrt(4 - 3 * place);
}

function newPage(): Int32Array {
  return new Int32Array(SEGMENT_WORDS * PAGE_SEGMENTS);
}

/** Where a segment begins in its page. */
function firstWordOf(segment: number): number {
  return (segment & PAGE_MASK) * SEGMENT_WORDS;
}

/** Where a hash is looked for first, in words from the begin of its segment: by its lowest bits. */
function homeOf(hash: number): number {
  return (hash & (SEGMENT_SLOTS - 1)) * SLOT_WORDS;
}

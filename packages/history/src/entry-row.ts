import type { Entries, OrderedEntries } from "./entries.ts";
import { ensure } from "./errors.ts";
import { type SealKey, seal, unseal } from "./sealed-bytes.ts";

/**
 * Entries in one row, little-endian: checksum (4 bytes), how many (2), whether anything is held (1), posted balance before
 * the first (8), then columns: posted balance (8 each), held balance (8 each, only where anything is held), position less
 * that of the first (4), counterparty (4), kind (1). Four such rows of the greatest size go on a page of SQLite's.
 */
export const ENTRIES_PER_ROW = 112;
const HEADER_BYTES = 15;
const ENTRY_BYTES = 17;
/** How far the positions in a row may be from each other. */
export const ROW_POSITIONS_MAX = 2 ** 32;

/** Rows are written into pieces of memory of this size, so that not each of them needs one of its own. */
const PIECE_BYTES = 256 * 1024;

/** Writes rows of entries. */
export class EntryRowWriter {
  private piece = new ArrayBuffer(PIECE_BYTES);
  private used = 0;

  /**
   * One row of entries of an account, at most `ENTRIES_PER_ROW` within `ROW_POSITIONS_MAX`.
   *
   * @param from and `to`: which of the indexes, the last left out.
   */
  write(account: number, { columns, indexes }: OrderedEntries, from: number, to: number): Uint8Array {
    // From column to row without a number in between: each would be put into memory of its own.
    const { positions, posted, held, heldWords, changes, counterparties, kinds } = columns;
    let anyHeld = 0;
    for (let i = from; i < to; i++) {
      const word = 2 * (indexes[i] as number);
      anyHeld |= (heldWords[word] as number) | (heldWords[word + 1] as number);
    }
    const count = to - from;
    const view = this.take(HEADER_BYTES + count * (anyHeld === 0 ? ENTRY_BYTES : ENTRY_BYTES + 8));
    const first = indexes[from] as number;
    const position = positions[first] as number;
    view.setUint16(4, count, true);
    view.setUint8(6, anyHeld === 0 ? 0 : 1);
    view.setBigInt64(7, (posted[first] as bigint) - (changes[first] as bigint), true);
    let at = HEADER_BYTES;
    for (let i = from; i < to; i++, at += 8) view.setBigInt64(at, posted[indexes[i] as number] as bigint, true);
    if (anyHeld !== 0)
      for (let i = from; i < to; i++, at += 8) view.setBigInt64(at, held[indexes[i] as number] as bigint, true);
    for (let i = from; i < to; i++, at += 4)
      view.setUint32(at, (positions[indexes[i] as number] as number) - position, true);
    for (let i = from; i < to; i++, at += 4) view.setUint32(at, counterparties[indexes[i] as number] as number, true);
    for (let i = from; i < to; i++, at += 1) view.setUint8(at, kinds[indexes[i] as number] as number);
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    seal(bytes, { account, position });
    return bytes;
  }

  private take(bytes: number): DataView {
    if (this.used + bytes > PIECE_BYTES) {
      // What is in the old piece may wait to be inserted.
      this.piece = new ArrayBuffer(PIECE_BYTES);
      this.used = 0;
    }
    const view = new DataView(this.piece, this.used, bytes);
    this.used += bytes;
    return view;
  }
}

/** Entries as they were read from a row. */
export class EntryRow implements Entries {
  readonly length: number;
  private readonly view: DataView;
  private readonly first: number;
  /** Where the columns begin; that of what is held is absent where nothing is. */
  private readonly heldAt: number | undefined;
  private readonly positionsAt: number;
  private readonly counterpartiesAt: number;
  private readonly kindsAt: number;

  /**
   * Throws: `DamagedHistoryError` unless the bytes are a row that was written for this key.
   *
   * @param key the account, and the position of the first entry.
   */
  constructor(bytes: Uint8Array, key: SealKey) {
    this.view = unseal(bytes, key);
    this.first = key.position;
    ensure(this.view.byteLength > HEADER_BYTES, "a row of entries has some");
    this.length = this.view.getUint16(4, true);
    const anyHeld = this.view.getUint8(6) === 1;
    const postedEnd = HEADER_BYTES + 8 * this.length;
    this.heldAt = anyHeld ? postedEnd : undefined;
    this.positionsAt = anyHeld ? postedEnd + 8 * this.length : postedEnd;
    this.counterpartiesAt = this.positionsAt + 4 * this.length;
    this.kindsAt = this.counterpartiesAt + 4 * this.length;
    ensure(this.length > 0 && this.view.byteLength === this.kindsAt + this.length, "a row of entries is whole");
  }

  position(index: number): number {
    return this.first + this.view.getUint32(this.positionsAt + 4 * index, true);
  }

  posted(index: number): bigint {
    return this.view.getBigInt64(HEADER_BYTES + 8 * index, true);
  }

  held(index: number): bigint {
    return this.heldAt === undefined ? 0n : this.view.getBigInt64(this.heldAt + 8 * index, true);
  }

  change(index: number): bigint {
    // Before the first posted balance stands the one before it.
    return this.posted(index) - this.view.getBigInt64(HEADER_BYTES + 8 * (index - 1), true);
  }

  kind(index: number): number {
    return this.view.getUint8(this.kindsAt + index);
  }

  counterparty(index: number): number {
    return this.view.getUint32(this.counterpartiesAt + 4 * index, true);
  }
}

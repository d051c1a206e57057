import { JournalFormatError } from "./errors.ts";

/** Writes a column of fixed-width little-endian values: as numbers lie in memory here, which `@bank/core` makes sure of. */
export class ColumnWriter {
  readonly bytes: Uint8Array<ArrayBuffer>;
  private readonly count: number;

  constructor(count: number, width: 4 | 8) {
    this.bytes = new Uint8Array(count * width);
    this.count = count;
  }

  /** Values of 4 bytes. */
  words(source: Uint32Array, from: number): this {
    return this.copy(source, from);
  }

  /** Words of which 1 or 2 make a value, the low one first. */
  parts(source: Int32Array): this {
    return this.copy(source, 0);
  }

  /** Safe integers that are not negative, in 8 bytes. */
  integers(source: Float64Array, from: number): this {
    const words = new Uint32Array(this.bytes.buffer);
    for (let i = 0; i < this.count; i++) {
      const value = source[from + i] as number;
      words[2 * i] = value >>> 0;
      words[2 * i + 1] = Math.floor(value / 4_294_967_296);
    }
    return this;
  }

  /** 64-bit integers with a sign. */
  int64s(source: BigInt64Array, from: number): this {
    return this.copy(source, from);
  }

  private copy(source: Uint32Array | Int32Array | BigInt64Array, from: number): this {
    const start = source.byteOffset + from * source.BYTES_PER_ELEMENT;
    this.bytes.set(new Uint8Array(source.buffer, start, this.bytes.length));
    return this;
  }
}

/** Reads such a column. Throws: `JournalFormatError` when it does not have `count` values. */
export class ColumnReader {
  private readonly view: DataView;

  constructor(bytes: Uint8Array, count: number, width: 4 | 8) {
    if (bytes.length !== count * width)
      throw new JournalFormatError(`a column has ${bytes.length} bytes and should have ${count * width}`);
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  word(index: number): number {
    return this.view.getUint32(index * 4, true);
  }

  int32(index: number): number {
    return this.view.getInt32(index * 4, true);
  }

  integer(index: number): number {
    const high = this.view.getUint32(index * 8 + 4, true);
    if (high >= 2 ** 21) throw new JournalFormatError("a value of a column is beyond every real journal");
    return high * 2 ** 32 + this.view.getUint32(index * 8, true);
  }

  int64(index: number): bigint {
    return this.view.getBigInt64(index * 8, true);
  }

  /** All values of 4 bytes, in memory of their own. */
  words(): Uint32Array<ArrayBuffer> {
    return new Uint32Array(this.copy());
  }

  /** All values of 8 bytes with a sign, in memory of their own. */
  int64s(): BigInt64Array<ArrayBuffer> {
    return new BigInt64Array(this.copy());
  }

  /** All values as `integer` gives them. */
  integers(): Float64Array<ArrayBuffer> {
    const words = new Uint32Array(this.copy());
    const integers = new Float64Array(words.length / 2);
    for (let i = 0; i < integers.length; i++) {
      const high = words[2 * i + 1] as number;
      if (high >= 2 ** 21) throw new JournalFormatError("a value of a column is beyond every real journal");
      integers[i] = high * 2 ** 32 + (words[2 * i] as number);
    }
    return integers;
  }

  /** What lies in memory as numbers do: all of this runs on machines that store the low end first. */
  private copy(): ArrayBuffer {
    const { buffer, byteOffset, byteLength } = this.view;
    return new Uint8Array(buffer, byteOffset, byteLength).slice().buffer;
  }
}

/**
 * All words of a column, which are values or parts of them, as they lie in memory.
 * Throws: `JournalFormatError` where it has not so many.
 *
 * @param into has room for them.
 */
export function wordsOf(bytes: Uint8Array, count: number, into: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  if (bytes.length !== 4 * count)
    throw new JournalFormatError(`a column has ${bytes.length} bytes and should have ${4 * count}`);
  new Uint8Array(into.buffer, into.byteOffset, bytes.length).set(bytes);
  return into.subarray(0, count);
}

// PostgreSQL's binary form of one-dimensional arrays: a column of many rows in one parameter, which `unnest` makes rows of.

import { plainText } from "./plain-text.ts";

/** Types of elements, with PostgreSQL's number for each. */
const TYPES = { bool: 16, int2: 21, int4: 23, int8: 20, text: 25, timestamptz: 1184, uuid: 2950 } as const;
export type ElementType = keyof typeof TYPES;

const HEADER_BYTES = 20;
const FIRST_BYTES = 1024;
const UUID_BYTES = 16;
const TWO_32 = 2 ** 32;
/** 1 January 2000, from which PostgreSQL counts, in Unix milliseconds. */
const POSTGRES_EPOCH_MS = 946_684_800_000;

/** One array, filled element by element. The methods do not check that they fit the type: each caller uses one. */
export class ArrayColumn {
  readonly type: ElementType;
  private bytes = Buffer.allocUnsafe(FIRST_BYTES);
  private end = HEADER_BYTES;
  private count = 0;
  private hasNulls = false;

  constructor(type: ElementType) {
    this.type = type;
  }

  get length(): number {
    return this.count;
  }

  null(): void {
    const at = this.reserve(0);
    this.bytes.writeInt32BE(-1, at - 4);
    this.hasNulls = true;
  }

  bool(value: boolean): void {
    const at = this.reserve(1);
    this.bytes[at] = value ? 1 : 0;
  }

  int2(value: number): void {
    const at = this.reserve(2);
    this.bytes.writeInt16BE(value, at);
  }

  int4(value: number): void {
    const at = this.reserve(4);
    this.bytes.writeInt32BE(value, at);
  }

  /** A safe integer that is not negative, such as a position. */
  position(value: number): void {
    const at = this.reserve(8);
    this.bytes.writeUInt32BE(Math.floor(value / TWO_32), at);
    this.bytes.writeUInt32BE(value % TWO_32, at + 4);
  }

  int8(value: bigint): void {
    const at = this.reserve(8);
    this.bytes.writeBigInt64BE(value, at);
  }

  /** @param value as `postgresTime` gives it. */
  timestamptz(value: bigint): void {
    this.int8(value);
  }

  /** The 16 bytes from `at` on. */
  uuid(bytes: Uint8Array, at = 0): void {
    const to = this.reserve(UUID_BYTES);
    for (let i = 0; i < UUID_BYTES; i++) this.bytes[to + i] = bytes[at + i] as number;
  }

  text(value: string): void {
    const text = plainText(value);
    const length = Buffer.byteLength(text);
    const at = this.reserve(length);
    this.bytes.write(text, at);
  }

  /** The array as a parameter. Nothing may be added any more. */
  parameter(): Buffer {
    const { bytes, count } = this;
    // An array without elements has no dimension.
    bytes.writeInt32BE(count === 0 ? 0 : 1, 0);
    bytes.writeInt32BE(this.hasNulls ? 1 : 0, 4);
    bytes.writeInt32BE(TYPES[this.type], 8);
    if (count === 0) return bytes.subarray(0, 12);
    bytes.writeInt32BE(count, 12);
    bytes.writeInt32BE(1, 16);
    return bytes.subarray(0, this.end);
  }

  /** Writes the length of an element, and gives where its bytes belong. */
  private reserve(length: number): number {
    const at = this.end + 4;
    if (at + length > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(2 * this.bytes.length, at + length));
      this.bytes.copy(larger, 0, 0, this.end);
      this.bytes = larger;
    }
    this.bytes.writeInt32BE(length, at - 4);
    this.end = at + length;
    this.count++;
    return at;
  }
}

/** A moment as PostgreSQL counts it: microseconds since its epoch. */
export function postgresTime(unixMs: number): bigint {
  return BigInt(unixMs - POSTGRES_EPOCH_MS) * 1_000n;
}

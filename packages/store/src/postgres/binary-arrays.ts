// PostgreSQL's binary form of one-dimensional arrays without nulls: the client library sends buffers as they are, and
// anything else as text, in which bytes would take twice the room.

const INT4 = 23;
const INT8 = 20;
const BYTEA = 17;
const HEADER_BYTES = 20;

/** For a parameter of the type `int8[]`. */
export function int8Array(values: readonly number[]): Buffer {
  const { buffer, offset } = header(INT8, values.length, 12 * values.length);
  for (const [i, value] of values.entries()) {
    buffer.writeInt32BE(8, offset + 12 * i);
    buffer.writeBigInt64BE(BigInt(value), offset + 12 * i + 4);
  }
  return buffer;
}

/** For a parameter of the type `int4[]`. */
export function int4Array(values: readonly number[]): Buffer {
  const { buffer, offset } = header(INT4, values.length, 8 * values.length);
  for (const [i, value] of values.entries()) {
    buffer.writeInt32BE(4, offset + 8 * i);
    buffer.writeInt32BE(value, offset + 8 * i + 4);
  }
  return buffer;
}

/** For a parameter of the type `bytea[]`. */
export function byteaArray(values: readonly Uint8Array[]): Buffer {
  const bytes = values.reduce((sum, { length }) => sum + 4 + length, 0);
  const made = header(BYTEA, values.length, bytes);
  let { offset } = made;
  for (const value of values) {
    made.buffer.writeInt32BE(value.length, offset);
    made.buffer.set(value, offset + 4);
    offset += 4 + value.length;
  }
  return made.buffer;
}

/** For a parameter of the type `bytea`: a view, not a copy. */
export function bytea(value: Uint8Array): Buffer {
  return Buffer.from(value.buffer, value.byteOffset, value.length);
}

function header(elementType: number, length: number, elementBytes: number): { buffer: Buffer; offset: number } {
  // An array without elements has no dimension.
  const isEmpty = length === 0;
  const buffer = Buffer.allocUnsafe(isEmpty ? 12 : HEADER_BYTES + elementBytes);
  buffer.writeInt32BE(isEmpty ? 0 : 1, 0);
  buffer.writeInt32BE(0, 4);
  buffer.writeInt32BE(elementType, 8);
  if (isEmpty) return { buffer, offset: 12 };
  buffer.writeInt32BE(length, 12);
  buffer.writeInt32BE(1, 16);
  return { buffer, offset: HEADER_BYTES };
}

import { assert } from "@bank/core";
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** Bytes of a `fixed64`. */
const ENTRY_BYTES = 8;

assert(
  new Uint8Array(new Uint16Array([1]).buffer)[0] === 1,
  "columns are taken as they are on a little-endian machine",
);

/** Columns in more pieces than this, entry by entry as a rule, take longer here than by protobuf-es. */
const RUNS_MAX = 1_000;

/** A repeated `fixed64` field: as it is on the wire, or as protobuf-es gives it. */
export type FixedColumn = BigUint64Array | bigint[];

/** A message whose columns were taken out of its bytes. */
export interface TakenColumns {
  /** By their number; those that are not there are empty. */
  readonly columns: ReadonlyMap<number, BigUint64Array>;
  /** The message without them. */
  readonly rest: Uint8Array;
}

/** How the fields of a message type are written: which are columns, and what the others begin with. */
export interface WireShape {
  readonly columns: readonly number[];
  readonly others: ReadonlyMap<number, WireType>;
}

/** Throws: for a type with other fields than texts, bytes, messages, `uint32`, and lists of messages and of `fixed64`. */
export function wireShape({ fields }: DescMessage): WireShape {
  const columns = fields.filter(isColumn).map(({ number }) => number);
  return { columns, others: new Map(fields.filter((f) => !isColumn(f)).map((f) => [f.number, wireTypeOf(f)])) };
}

function isColumn(field: DescField): boolean {
  return field.fieldKind === "list" && field.listKind === "scalar" && field.scalar === ScalarType.FIXED64;
}

function wireTypeOf(field: DescField): WireType {
  const isMessage = field.message !== undefined && !("delimitedEncoding" in field && field.delimitedEncoding);
  if (isMessage || field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES)
    return WireType.LengthDelimited;
  if (field.scalar === ScalarType.UINT32) return WireType.Varint;
  throw new Error(`it is not known how ${field} is written`);
}

/**
 * Takes the columns out of a message. Each may come packed, in several runs, or entry by entry, and between any other fields.
 * Undefined for bytes that are written as no such message is, or in very many runs: protobuf-es has its own way with them.
 * Throws: for bytes that are no message at all.
 */
export function takeColumns(bytes: Uint8Array, shape: WireShape): TakenColumns | undefined {
  const runs = new Map<number, Uint8Array[]>(shape.columns.map((number) => [number, []]));
  const rest: Uint8Array[] = [];
  const reader = new BinaryReader(bytes);
  let runCount = 0;
  /** Where what stands between two runs begins. */
  let restFrom = 0;
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [number, wireType] = reader.tag();
    const own = runs.get(number);
    if (own === undefined) {
      if (wireType !== (shape.others.get(number) ?? wireType)) return undefined;
      reader.skip(wireType, number);
      continue;
    }
    if (wireType !== WireType.LengthDelimited && wireType !== WireType.Bit64) return undefined;
    const length = wireType === WireType.Bit64 ? ENTRY_BYTES : reader.uint32();
    const end = reader.pos + length;
    if (length % ENTRY_BYTES !== 0 || end > reader.len || ++runCount > RUNS_MAX) return undefined;
    own.push(bytes.subarray(reader.pos, end));
    if (restFrom < start) rest.push(bytes.subarray(restFrom, start));
    restFrom = end;
    reader.pos = end;
  }
  rest.push(bytes.subarray(restFrom));
  const columns = new Map<number, BigUint64Array>();
  // Copied: in the message a column may begin at any address.
  for (const [number, own] of runs) columns.set(number, new BigUint64Array(joined(own).buffer));
  return { columns, rest: joined(rest) };
}

/** Bytes of a column as they are on the wire. */
export function columnBytes(column: FixedColumn): Uint8Array {
  const entries = column instanceof BigUint64Array ? column : BigUint64Array.from(column);
  return new Uint8Array(entries.buffer, entries.byteOffset, entries.byteLength);
}

/** The halves of a column's entries, the low one first: numbers, where entries would be objects. */
export function halvesOf(column: FixedColumn): Uint32Array {
  const bytes = columnBytes(column);
  return new Uint32Array(bytes.buffer, bytes.byteOffset, 2 * column.length);
}

/** Positive safe integers, and zeros, as a column. */
export function columnOf(numbers: Float64Array): BigUint64Array {
  const column = new BigUint64Array(numbers.length);
  const halves = new Uint32Array(column.buffer);
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i] as number;
    halves[2 * i] = number;
    halves[2 * i + 1] = number / 2 ** 32;
  }
  return column;
}

/**
 * A message: columns, those without entries left out, and behind them these bytes. Put together in one allocation, for a writer
 * that grows copies what it has each time, and leaves as much to the garbage collector.
 */
export function withColumns(
  columns: readonly (readonly [number: number, column: FixedColumn])[],
  rest: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const fields = columns.flatMap(([number, column]) =>
    column.length === 0 ? [] : [{ tag: 8 * number + WireType.LengthDelimited, bytes: columnBytes(column) }],
  );
  let length = rest.length;
  for (const { tag, bytes } of fields) length += varintLength(tag) + varintLength(bytes.length) + bytes.length;
  const all = new Uint8Array(length);
  let at = 0;
  for (const { tag, bytes } of fields) {
    at = writeVarint(all, writeVarint(all, at, tag), bytes.length);
    all.set(bytes, at);
    at += bytes.length;
  }
  all.set(rest, at);
  return all;
}

/** How many bytes a whole number below 2^53 takes. */
export function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 0x80)) length++;
  return length;
}

/** Writes such a number, and gives where it ends. */
export function writeVarint(target: Uint8Array, from: number, value: number): number {
  let at = from;
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) target[at++] = (rest % 0x80) | 0x80;
  target[at++] = rest;
  return at;
}

/** In a buffer of its own. */
function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.length;
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

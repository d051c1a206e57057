import type { SQLOutputValue } from "node:sqlite";
import { DamagedHistoryError } from "./errors.ts";

// What was written is checked again when it is read: a flipped bit must not travel further as a strange number.

/** A row as node:sqlite gives it. */
export type Row = Readonly<Record<string, SQLOutputValue>>;

/** A 64-bit value. Throws: `DamagedHistoryError` unless it is one. */
export function int64(row: Row, name: string): bigint {
  const value = row[name];
  if (typeof value === "bigint") return value;
  throw new DamagedHistoryError(`the stored ${name} is ${String(value)}, which is no integer`);
}

/** Throws: `DamagedHistoryError` unless it is a safe integer that is not negative. */
export function integer(row: Row, name: string): number {
  const number = Number(int64(row, name));
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw new DamagedHistoryError(`the stored ${name} is ${number}, which is out of range`);
}

/** Throws: `DamagedHistoryError` unless there are exactly so many bytes. */
export function bytes(row: Row, name: string, length: number): Uint8Array {
  const value = row[name];
  if (value instanceof Uint8Array && value.length === length) return value;
  throw new DamagedHistoryError(`the stored ${name} is not ${length} bytes`);
}

/** Bytes as they are: what they mean is checked by whoever opens them. Throws: `DamagedHistoryError` for something else. */
export function blob(row: Row, name: string): Uint8Array {
  const value = row[name];
  if (value instanceof Uint8Array) return value;
  throw new DamagedHistoryError(`the stored ${name} is no bytes`);
}

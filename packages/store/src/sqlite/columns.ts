import type { SQLOutputValue } from "node:sqlite";
import { CorruptStoreError } from "../errors.ts";

// What was written is checked again when it is read: a flipped bit must not travel further as a strange number.

/** Throws: `CorruptStoreError` unless this is a safe integer of at least `from`. */
export function integer(value: SQLOutputValue | undefined, name: string, from: number): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= from) return value;
  throw new CorruptStoreError(`the stored ${name} is ${String(value)}, which is no integer from ${from}`);
}

/** Bytes of their own memory. Throws: `CorruptStoreError` unless these are bytes, of that length where one is given. */
export function bytes(value: SQLOutputValue | undefined, name: string, length?: number): Uint8Array {
  if (value instanceof Uint8Array && (length === undefined || value.length === length)) return value;
  const found = value instanceof Uint8Array ? `${value.length} bytes` : typeof value;
  throw new CorruptStoreError(`the stored ${name} is ${found}${length === undefined ? "" : `, not ${length} bytes`}`);
}

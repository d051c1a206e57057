import { CorruptStoreError } from "../errors.ts";

/** A value as it came: bytes for `bytea`, text for everything else. */
export type Value = string | Uint8Array | null | undefined;
export type Row = readonly Value[];

/** Throws: `CorruptStoreError` where it is no safe integer from `from`. */
export function integer(value: Value, what: string, from: number): number {
  const number = typeof value === "string" ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(number) || number < from)
    throw new CorruptStoreError(`the stored ${what} is no such number`);
  return number;
}

/** Throws: `CorruptStoreError` where these are no bytes, or not so many. */
export function bytes(value: Value, what: string, length?: number): Uint8Array {
  if (!(value instanceof Uint8Array) || (length !== undefined && value.length !== length))
    throw new CorruptStoreError(`the stored ${what} is damaged`);
  return value;
}

/** Identifiers of the ledger. Brands keep numbers that mean different things from being mixed up. */

declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** Place of a record in the journal: 1, 2, 3, … without gaps. 0 stands before the first. */
export type Position = number;

/** Index of an account in the order of opening, from 0. How records name accounts. */
export type AccountIndex = Brand<number, "AccountIndex">;

/** Index of a currency in the order of first use, from 0. */
export type CurrencyIndex = Brand<number, "CurrencyIndex">;

/** A branch; 0 is the head office. */
export type BranchNumber = number;

/** The 16 bytes of a UUID that a client made for one mutation. */
export type RequestId = Brand<Uint8Array, "RequestId">;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Reads a UUID of any version, in either case. Undefined when it is none. */
export function parseRequestId(text: string): RequestId | undefined {
  if (!UUID.test(text)) return undefined;
  const bytes = new Uint8Array(16);
  let at = 0;
  for (let i = 0; i < 36; i += 2) {
    if (i === 8 || i === 13 || i === 18 || i === 23) i++;
    bytes[at++] = Number.parseInt(text.slice(i, i + 2), 16);
  }
  return bytes as RequestId;
}

/** The UUID in its usual lower-case form. */
export function formatRequestId(id: RequestId): string {
  const hex = toHex(id);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Takes 16 bytes as a request id. Throws: `RangeError` for any other length. */
export function requestIdFromBytes(bytes: Uint8Array): RequestId {
  if (bytes.length !== 16) throw new RangeError(`a request id has 16 bytes, not ${bytes.length}`);
  return bytes as RequestId;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Lower-case hexadecimal, two digits a byte. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
}

/** Whether two byte strings are the same. */
export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

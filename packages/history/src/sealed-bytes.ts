import { crc32 } from "node:zlib";
import { ensure } from "./errors.ts";

/** Bytes of the checksum in front. */
const SEAL_BYTES = 4;

/**
 * Writes a checksum over what is behind it to the first four bytes.
 *
 * @param key what the bytes are stored under, as two numbers: bytes that are found under another are damaged.
 */
export function seal(bytes: Uint8Array, key: SealKey): void {
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(0, checksum(bytes, key), true);
}

/** A view of sealed bytes. Throws: `DamagedHistoryError` unless they are what was sealed under that key. */
export function unseal(bytes: Uint8Array, key: SealKey): DataView {
  ensure(bytes.length > SEAL_BYTES, "a stored row has bytes");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  ensure(view.getUint32(0, true) === checksum(bytes, key), "a stored row is what was written");
  return view;
}

/** An account, or 0, and a position. */
export interface SealKey {
  readonly account: number;
  readonly position: number;
}

function checksum(bytes: Uint8Array, { account, position }: SealKey): number {
  return crc32(bytes.subarray(SEAL_BYTES), (account ^ position) >>> 0);
}

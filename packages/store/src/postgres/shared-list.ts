import { HASH_BYTES } from "../arguments.ts";
import { CorruptStoreError } from "../errors.ts";

/** Which page of a snapshot is shared: the number of the page, and its hash. */
export interface ListedPage {
  readonly pageNumber: number;
  readonly hash: Uint8Array;
}

/** In a list: four bytes of the page's number, little-endian, and its hash. */
const LISTED_BYTES = 4 + HASH_BYTES;

/** The list of a snapshot's shared pages as it is stored. */
export function encodeList(listed: readonly ListedPage[]): Buffer {
  const list = Buffer.alloc(listed.length * LISTED_BYTES);
  for (const [i, { pageNumber, hash }] of listed.entries()) {
    list.writeUInt32LE(pageNumber, i * LISTED_BYTES);
    list.set(hash, i * LISTED_BYTES + 4);
  }
  return list;
}

/** Throws: `CorruptStoreError`. */
export function decodeList(list: Uint8Array): ListedPage[] {
  if (list.length % LISTED_BYTES !== 0) throw new CorruptStoreError("the stored list of snapshot pages is cut");
  const view = new DataView(list.buffer, list.byteOffset, list.length);
  return Array.from({ length: list.length / LISTED_BYTES }, (_, i) => ({
    pageNumber: view.getUint32(i * LISTED_BYTES, true),
    hash: list.subarray(i * LISTED_BYTES + 4, (i + 1) * LISTED_BYTES),
  }));
}

/** A hash as a key of sets and maps. */
export function keyOf(hash: Uint8Array): string {
  return Buffer.from(hash.buffer, hash.byteOffset, hash.length).toString("latin1");
}

import type { Sha256 } from "./sha256.ts";

/** Format of frames and snapshots that this program writes, and the only one it reads. */
export const JOURNAL_FORMAT = 1;

const DOMAIN = Uint8Array.from("bank.journal\0", (char) => char.charCodeAt(0));

/** The hash before the first batch: it binds a chain to its bank and format. */
export function genesisHash(sha256: Sha256, bankId: Uint8Array): Uint8Array {
  const format = new Uint8Array(4);
  new DataView(format.buffer).setUint32(0, JOURNAL_FORMAT, true);
  return sha256(DOMAIN, bankId, format);
}

/** The hash after a batch. */
export function nextHash(sha256: Sha256, previous: Uint8Array, frame: Uint8Array): Uint8Array {
  return sha256(previous, frame);
}

import type { RequestColumns } from "./request-table.ts";
import type { Digest } from "./term-hasher.ts";
import { Term } from "./terms.ts";

/** Words of an entry of the digest: its kind, the principal, the length of the id, its bytes, position, and hash. */
const WORDS = 23;

/**
 * Adds the entries of many remembered requests to the digest: those that `Terms.request` makes, one after the other. (Two side by
 * side were tried, so that one would not wait for the other: there are too few registers for it.)
 */
export function addRequestTerms(digest: Digest, { ids, principals, positions, hashes }: RequestColumns): void {
  const idBytes = new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength);
  const words = new Int32Array(WORDS);
  words[0] = Term.REQUEST;
  words[2] = 16;
  for (let i = 0; i < principals.length; i++) {
    words[1] = principals[i] as number;
    for (let byte = 0; byte < 16; byte++) words[byte + 3] = idBytes[16 * i + byte] as number;
    words[19] = positions[2 * i] as number;
    words[20] = positions[2 * i + 1] as number;
    words[21] = hashes[2 * i] as number;
    words[22] = hashes[2 * i + 1] as number;
    digest.addWords(words, WORDS, 1);
  }
}

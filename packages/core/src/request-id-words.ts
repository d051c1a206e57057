import { type RequestId, requestIdFromBytes } from "./identifiers.ts";
import "./little-endian.ts";

/** Writes the 16 bytes of a request id as four little-endian words, from `at` on. */
export function writeIdWords(id: Uint8Array, words: Int32Array, at: number): void {
  for (let i = 0; i < 4; i++)
    words[at + i] =
      (id[4 * i] as number) |
      ((id[4 * i + 1] as number) << 8) |
      ((id[4 * i + 2] as number) << 16) |
      ((id[4 * i + 3] as number) << 24);
}

/** The request id whose four words begin at `at`. */
export function idOfWords(words: Int32Array, at: number): RequestId {
  return requestIdFromBytes(new Uint8Array(words.slice(at, at + 4).buffer as ArrayBuffer));
}

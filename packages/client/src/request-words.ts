import { getRandomValues } from "node:crypto";
import { parseRequestId } from "@bank/core";

/** Ids that are made at a time. */
const BLOCK_IDS = 512;
const WORDS = 4;
/** Of a UUID as it is written. */
const TEXT_BYTES = 36;
const VERSION_4 = 0x4000;
const VARIANT = 0x8000_0000;

/** Hexadecimal digits of a byte in ASCII, the first one in the low byte. */
const HEX = Uint16Array.from({ length: 256 }, (_, byte) => {
  const digits = byte.toString(16).padStart(2, "0");
  return digits.charCodeAt(0) | (digits.charCodeAt(1) << 8);
});
/** Where in the text each byte of an id stands. */
const PLACES = Uint8Array.from([0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34]);
const written = Buffer.alloc(TEXT_BYTES, "-");

let block = new Uint32Array(WORDS * BLOCK_IDS);
let next = block.length;

/**
 * A request id as four big-endian words in a block of many: columns take it as numbers, and its text is made only when
 * somebody wants it. A million of them wait without a million small objects more.
 */
export interface RequestWords {
  /** Never changed: others' ids are in there too. */
  readonly words: Uint32Array;
  /** Where its first word stands. */
  readonly at: number;
}

/** A new random UUID (version 4, RFC 9562). */
export function randomRequestWords(): RequestWords {
  if (next === block.length) {
    block = getRandomValues(new Uint32Array(WORDS * BLOCK_IDS));
    next = 0;
  }
  const at = next;
  next += WORDS;
  block[at + 1] = ((block[at + 1] as number) & 0xffff_0fff) | VERSION_4;
  block[at + 2] = ((block[at + 2] as number) & 0x3fff_ffff) | VARIANT;
  return { words: block, at };
}

/** A UUID that the caller gave; undefined for what is none. */
export function requestWordsOf(text: string): RequestWords | undefined {
  const id = typeof text === "string" ? parseRequestId(text) : undefined;
  if (id === undefined) return undefined;
  const view = new DataView(id.buffer, id.byteOffset, id.byteLength);
  return { words: Uint32Array.from([0, 4, 8, 12], (byte) => view.getUint32(byte)), at: 0 };
}

/** In lower case, as servers write it. */
export function textOfRequestWords({ words, at }: RequestWords): string {
  for (let i = 0; i < WORDS; i++) {
    const word = words[at + i] as number;
    for (let byte = 0; byte < 4; byte++) {
      const digits = HEX[(word >>> (24 - 8 * byte)) & 0xff] as number;
      const place = PLACES[4 * i + byte] as number;
      written[place] = digits & 0xff;
      written[place + 1] = digits >>> 8;
    }
  }
  return written.toString("latin1");
}

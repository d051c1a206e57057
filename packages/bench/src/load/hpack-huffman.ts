/** How many bits the code of each byte has, and of the end behind them (RFC 7541, appendix B). */
const CODE_BITS: readonly number[] = [
  ...[13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28],
  ...[28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28],
  ...[6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6],
  ...[5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10],
  ...[13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7],
  ...[7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6],
  ...[15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5],
  ...[6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28],
  ...[20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23],
  ...[24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24],
  ...[22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23],
  ...[21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23],
  ...[26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25],
  ...[19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27],
  ...[20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23],
  ...[26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26],
  30,
];
const BITS_MAX = 30;
const END = 256;

/** By the number of bits: the smallest code of that length, and the symbols from it on. The code is canonical. */
const SYMBOLS: readonly (readonly number[])[] = Array.from({ length: BITS_MAX + 1 }, (_, bits) =>
  CODE_BITS.flatMap((each, symbol) => (each === bits ? [symbol] : [])),
);
const FIRST_CODES: readonly number[] = firstCodes();

function firstCodes(): number[] {
  const codes = [0];
  let code = 0;
  for (let bits = 1; bits <= BITS_MAX; bits++) {
    code = 2 * (code + (SYMBOLS[bits - 1] as readonly number[]).length);
    codes.push(code);
  }
  return codes;
}

/** Bit by bit: blocks that were seen before are not decoded again. Throws for what is no such text. */
export function decodeHuffman(bytes: Uint8Array): string {
  let text = "";
  let code = 0;
  let bits = 0;
  for (const byte of bytes)
    for (let bit = 7; bit >= 0; bit--) {
      code = 2 * code + ((byte >>> bit) & 1);
      bits++;
      if (bits > BITS_MAX) throw new Error("a text in Huffman's code has no such symbol");
      const symbol = (SYMBOLS[bits] as readonly number[])[code - (FIRST_CODES[bits] as number)];
      if (symbol === undefined) continue;
      if (symbol === END) throw new Error("a text in Huffman's code goes on behind its end");
      text += String.fromCharCode(symbol);
      code = 0;
      bits = 0;
    }
  // What is left of the last byte is the beginning of the end's code, which is all ones.
  if (bits > 7 || code !== 2 ** bits - 1) throw new Error("a text in Huffman's code is cut off");
  return text;
}

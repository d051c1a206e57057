import { ScenarioInputError } from "./scenario-error.ts";
import { positionAt } from "./source-position.ts";

/**
 * The text of a file's bytes, without the byte order mark that some editors put in front.
 *
 * Throws: `ScenarioInputError` at the first character that is not UTF-8. Nothing is replaced silently: a file in another
 * encoding would otherwise run with names that nobody wrote.
 */
export function decodeUtf8(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const reason = looksLikeUtf16(bytes) ? "the file is UTF-16, and must be UTF-8" : "not valid UTF-8";
    const valid = decodeWhole(bytes.subarray(0, validLength(bytes))) ?? "";
    throw new ScenarioInputError({ file, ...positionAt(valid, valid.length) }, reason);
  }
}

function looksLikeUtf16(bytes: Uint8Array): boolean {
  return (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
}

/**
 * The length of the longest valid start. A streaming decoder accepts a start exactly if nothing in it is wrong, so that
 * the end of the valid part can be found by bisection.
 */
function validLength(bytes: Uint8Array): number {
  let good = 0;
  let bad = bytes.length + 1;
  while (bad - good > 1) {
    const middle = (good + bad) >>> 1;
    if (decodeWhole(bytes.subarray(0, middle)) === undefined) bad = middle;
    else good = middle;
  }
  return good;
}

/** The text of the complete characters, or undefined when something among them is not UTF-8. */
function decodeWhole(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

import type { Metadata } from "@bank/core";
import { JournalFormatError } from "./errors.ts";

/** Half of a surrogate pair would silently become U+FFFD, and every reader would come to another digest. */
export function wellFormed(text: string): string {
  if (!text.isWellFormed()) throw new JournalFormatError("a text has half of a surrogate pair, which has no UTF-8");
  return text;
}

/** Texts by name as two lists: the names ascending by their UTF-16 code units, and their values. */
export interface TextLists {
  readonly keys: string[];
  readonly values: string[];
}

/** Throws: `JournalFormatError` for a text that has no UTF-8. */
export function toLists(texts: Metadata): TextLists {
  const keys = Object.keys(texts).sort().map(wellFormed);
  return { keys, values: keys.map((key) => wellFormed(texts[key] as string)) };
}

/**
 * @param owner what has the texts, for the message.
 * Throws: `JournalFormatError` for lists that `toLists` would not give.
 */
export function fromLists({ keys, values }: TextLists, owner: string): Metadata {
  if (keys.length !== values.length) throw new JournalFormatError(`${owner} has keys without values`);
  if (keys.some((key, i) => i > 0 && key <= (keys[i - 1] as string)))
    throw new JournalFormatError(`the keys of ${owner} do not ascend`);
  return Object.fromEntries(keys.map((key, i) => [key, values[i] as string]));
}

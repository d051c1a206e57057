/** A line of the shell cannot be split into words. */
export class UnfinishedQuoteError extends Error {
  override readonly name = "UnfinishedQuoteError";

  constructor(quote: string) {
    super(`a ${quote} is not closed`);
  }
}

/** Characters that a word can hold without quotes; empty words need quotes too. */
const PLAIN = /^[A-Za-z0-9_./:@%+=,-]+$/;

/**
 * Splits a line as a POSIX shell does, without expansions: words between spaces; '…' is taken literally; in "…" a
 * backslash protects " and \; elsewhere it protects any character. A # that begins a word begins a comment.
 *
 * Throws: `UnfinishedQuoteError`.
 */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let i = 0; i < line.length; i++) {
    const character = line.charAt(i);
    if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (character === "#" && word === undefined) {
      return words;
    } else if (character === "'" || character === '"') {
      const [text, end] = quoted(line, i);
      word = (word ?? "") + text;
      i = end;
    } else if (character === "\\" && i + 1 < line.length) {
      word = (word ?? "") + line.charAt(++i);
    } else {
      word = (word ?? "") + character;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** Words as a line that a POSIX shell, and this one, would split into the same words. */
export function quoteWords(words: readonly string[]): string {
  return words.map((word) => (PLAIN.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" ");
}

/** The text of the quotes that open at `start`, and where they close. */
function quoted(line: string, start: number): [string, number] {
  const quote = line.charAt(start);
  let text = "";
  for (let i = start + 1; i < line.length; i++) {
    const character = line.charAt(i);
    if (character === quote) return [text, i];
    const next = line.charAt(i + 1);
    if (quote === '"' && character === "\\" && (next === '"' || next === "\\")) {
      text += next;
      i++;
    } else {
      text += character;
    }
  }
  throw new UnfinishedQuoteError(quote);
}

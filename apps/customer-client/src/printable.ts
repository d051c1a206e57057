// Characters that would change how a terminal shows a line: controls, direction marks, lone surrogates.
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** Text that somebody else chose, on one line and harmless on a terminal. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

/** A place in a text as editors show it. */
export interface SourcePosition {
  /** From 1; a line ends with LF, CR LF or CR. */
  readonly line: number;
  /** From 1, in Unicode characters (code points); a tab is one. */
  readonly column: number;
}

const LINE_END = /\r\n|\n|\r/g;

/** The place of an offset (UTF-16 code units, from 0 to the text's length). Takes time linear in the offset. */
export function positionAt(text: string, offset: number): SourcePosition {
  const before = text.slice(0, offset);
  let line = 1;
  let lineStart = 0;
  for (const end of before.matchAll(LINE_END)) {
    line++;
    lineStart = end.index + end[0].length;
  }
  let column = 1;
  for (const _ of before.slice(lineStart)) column++;
  return { line, column };
}

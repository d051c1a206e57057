import { QUOTED_LENGTH_MAX } from "./limits.ts";
import { ScenarioInputError } from "./scenario-error.ts";
import type { SourcePosition } from "./source-position.ts";
import { positionAt } from "./source-position.ts";

/** The text of one file, and the way to complain about a place in it. */
export class ScenarioSource {
  /** The file as the user named it; only for messages. */
  readonly file: string;
  /** Without a byte order mark. */
  readonly text: string;

  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
  }

  /** The error that says what is wrong at this offset (UTF-16 code units). The caller throws it. */
  errorAt(offset: number, reason: string): ScenarioInputError {
    return new ScenarioInputError({ file: this.file, ...this.positionAt(offset) }, reason);
  }

  positionAt(offset: number): SourcePosition {
    return positionAt(this.text, offset);
  }

  /** `line 3, column 5`, for a message that names a second place. */
  placeOf(offset: number): string {
    const { line, column } = this.positionAt(offset);
    return `line ${line}, column ${column}`;
  }
}

// Characters that would change how a terminal shows the message: controls, direction marks, lone surrogates.
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** A piece of the file as a message may show it: one line, not too long, and harmless on a terminal. */
export function excerpt(text: string): string {
  const characters = [...text.slice(0, 2 * QUOTED_LENGTH_MAX)];
  const short = characters.slice(0, QUOTED_LENGTH_MAX).join("");
  const cut = short.length < text.length ? "…" : "";
  return short.replace(UNPRINTABLE, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`) + cut;
}

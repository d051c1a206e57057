import type { ParseError } from "jsonc-parser";
import { createScanner, printParseErrorCode } from "jsonc-parser";
import type { ScenarioSource } from "./scenario-source.ts";
import { excerpt } from "./scenario-source.ts";

/** Where a text stops being JSON, and why, in words for people. */
export interface SyntaxProblem {
  readonly offset: number;
  readonly reason: string;
}

/** Explains the first error of the parser, which finds one in everything that is not JSON. */
export function syntaxProblem(source: ScenarioSource, error: ParseError | undefined): SyntaxProblem {
  const { text } = source;
  if (text.trim() === "") return { offset: 0, reason: "the file is empty" };
  if (error === undefined) return { offset: 0, reason: "not valid JSON" };

  const { offset } = error;
  const code = printParseErrorCode(error.error);
  if (isDigit(text[offset]) && isDigit(text[offset - 1])) {
    return { offset, reason: "a number does not begin with a zero that other digits follow" };
  }
  const { open, complete } = structureBefore(text, offset);
  if (offset >= text.length) return { offset: text.length, reason: endsTooEarly(source, open) };
  if (complete && code !== "InvalidCommentToken") return { offset, reason: "text after the end of the JSON" };

  const found = excerpt(text.slice(offset, offset + Math.max(1, error.length)));
  return trailingComma(text, offset) ?? { offset, reason: reasonFor(code, found) };
}

/** A new token begins with a digit right behind another digit only in `01` and its like. */
function isDigit(character: string | undefined): boolean {
  return character !== undefined && character >= "0" && character <= "9";
}

/** `[1,]` and `{"a": 1,}`: the comma is what has to go, so the message points there. */
function trailingComma(text: string, offset: number): SyntaxProblem | undefined {
  const closer = text[offset];
  if (closer !== "]" && closer !== "}") return undefined;
  const comma = text.slice(0, offset).trimEnd().length - 1;
  return text[comma] === ","
    ? { offset: comma, reason: `a comma with nothing between it and the ${closer}` }
    : undefined;
}

function endsTooEarly(source: ScenarioSource, open: number | undefined): string {
  if (open === undefined) return "the file ends in the middle of the JSON";
  return `the file ends before the ${source.text[open]} of ${source.placeOf(open)} is closed`;
}

/** Of the tokens before an offset: the innermost bracket still open, and whether they are a complete value. */
function structureBefore(text: string, end: number): { readonly open: number | undefined; readonly complete: boolean } {
  const scanner = createScanner(text, true);
  const open: number[] = [];
  let tokens = 0;
  for (;;) {
    scanner.scan();
    const offset = scanner.getTokenOffset();
    if (offset >= end) return { open: open.at(-1), complete: tokens > 0 && open.length === 0 };
    tokens++;
    const first = text[offset];
    if (first === "[" || first === "{") open.push(offset);
    else if (first === "]" || first === "}") open.pop();
  }
}

// The codes by name: the package declares them as a const enum, which isolated modules cannot read.
function reasonFor(code: string, found: string): string {
  switch (code) {
    case "InvalidSymbol":
      return found.startsWith("'") ? "strings take double quotes in JSON" : `${found} is not JSON`;
    case "PropertyNameExpected":
      return `a key in double quotes is expected here, not ${found}`;
    case "ValueExpected":
      return `a value is expected here, not ${found}`;
    case "ColonExpected":
      return `a colon is missing before ${found}`;
    case "CommaExpected":
      if (found === "]" || found === "}") return `${found} does not close what is open here`;
      return `a comma is missing before ${found}`;
    case "InvalidCommentToken":
      return "JSON has no comments";
    case "UnexpectedEndOfString":
      return "this string does not end on its line";
    case "UnexpectedEndOfNumber":
    case "InvalidNumberFormat":
      return `the number ${found} is incomplete`;
    case "InvalidUnicode":
    case "InvalidEscapeCharacter":
      return "this string has an escape that JSON does not know";
    case "InvalidCharacter":
      return "this string has a control character, which JSON wants escaped";
    default:
      return `not valid JSON at ${found}`;
  }
}

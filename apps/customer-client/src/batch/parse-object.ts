import { createScanner } from "jsonc-parser";
import { LineProblem } from "./line-problem.ts";

/** A JSON object as it was written. */
export type LineObject = Readonly<Record<string, unknown>>;

/**
 * Reads a line that holds one JSON object, as RFC 8259 has it, without a key that stands twice in an object: one of the
 * two values would be lost.
 *
 * Throws: `LineProblem`.
 */
export function parseObject(line: string): LineObject {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new LineProblem(`it is not JSON: ${error.message}`);
  }
  if (!isObject(value)) throw new LineProblem("a line must be one JSON object");
  const twice = repeatedKey(line);
  if (twice !== undefined) throw new LineProblem(`the key ${JSON.stringify(twice)} stands twice in one object`);
  return value;
}

export function isObject(value: unknown): value is LineObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The first key that an object of this JSON has twice. Goes over the tokens, so that no nesting is too deep for it. */
function repeatedKey(json: string): string | undefined {
  const scanner = createScanner(json, true);
  const open: Set<string>[] = [];
  let string = "";
  for (;;) {
    scanner.scan();
    const offset = scanner.getTokenOffset();
    if (offset >= json.length) return undefined;
    switch (json[offset]) {
      case "{":
      case "[":
        open.push(new Set());
        break;
      case "}":
      case "]":
        open.pop();
        break;
      case '"':
        string = scanner.getTokenValue();
        break;
      case ":": {
        const keys = open.at(-1);
        if (keys?.has(string) === true) return string;
        keys?.add(string);
        break;
      }
    }
  }
}

import type { Node, ParseError } from "jsonc-parser";
import { createScanner, parseTree } from "jsonc-parser";
import { syntaxProblem } from "./json-syntax-problem.ts";
import { SCENARIO_DEPTH_MAX } from "./limits.ts";
import type { ScenarioSource } from "./scenario-source.ts";

/** A JSON value and where it stands in the source (`offset`, in UTF-16 code units). */
export type JsonValue =
  | { readonly kind: "object"; readonly offset: number; readonly members: ReadonlyMap<string, JsonMember> }
  | { readonly kind: "array"; readonly offset: number; readonly items: readonly JsonValue[] }
  | { readonly kind: "string"; readonly offset: number; readonly value: string }
  /** `text` is the number as written, because a float would not hold every amount. */
  | { readonly kind: "number"; readonly offset: number; readonly text: string }
  | { readonly kind: "boolean" | "null"; readonly offset: number };

export type JsonObject = Extract<JsonValue, { kind: "object" }>;

/** One key of an object with its value. */
export interface JsonMember {
  readonly keyOffset: number;
  readonly value: JsonValue;
}

/**
 * Reads JSON as RFC 8259 has it: no comments, no trailing commas, nothing behind the value, and no key twice in an
 * object (the RFC leaves the meaning of that open, and one of the two values would be lost).
 *
 * Throws: `ScenarioInputError` at the first place that is wrong.
 */
export function parseStrictJson(source: ScenarioSource): JsonValue {
  refuseDeepNesting(source);
  const errors: ParseError[] = [];
  const root = parseTree(source.text, errors, { disallowComments: true, allowTrailingComma: false });
  const first = errors[0];
  if (first !== undefined || root === undefined) {
    const { offset, reason } = syntaxProblem(source, first);
    throw source.errorAt(offset, reason);
  }
  crossCheck(source);
  return convert(source, root);
}

/** Runs over the tokens before the recursive parser sees them. A token is known by its first character. */
function refuseDeepNesting(source: ScenarioSource): void {
  const scanner = createScanner(source.text, true);
  let depth = 0;
  for (;;) {
    scanner.scan();
    const offset = scanner.getTokenOffset();
    if (offset >= source.text.length) return;
    const first = source.text[offset];
    if (first === "{" || first === "[") {
      if (++depth <= SCENARIO_DEPTH_MAX) continue;
      throw source.errorAt(offset, `more than ${SCENARIO_DEPTH_MAX} arrays and objects inside each other`);
    }
    if (first === "}" || first === "]") depth--;
  }
}

/** The tolerant parser gives the places; the runtime's own parser has the last word on what is JSON. */
function crossCheck(source: ScenarioSource): void {
  try {
    JSON.parse(source.text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const position = /at position ([0-9]+)/.exec(error.message)?.[1];
    throw source.errorAt(Number(position ?? 0), "not valid JSON");
  }
}

function convert(source: ScenarioSource, node: Node): JsonValue {
  const { offset } = node;
  switch (node.type) {
    case "object":
      return { kind: "object", offset, members: convertMembers(source, node.children ?? []) };
    case "array":
      return { kind: "array", offset, items: (node.children ?? []).map((item) => convert(source, item)) };
    case "string":
      return { kind: "string", offset, value: String(node.value) };
    case "number":
      return { kind: "number", offset, text: source.text.slice(offset, offset + node.length) };
    case "boolean":
    case "null":
      return { kind: node.type, offset };
    case "property":
      throw new Error("a property stands only inside an object");
  }
}

function convertMembers(source: ScenarioSource, properties: readonly Node[]): Map<string, JsonMember> {
  const members = new Map<string, JsonMember>();
  for (const property of properties) {
    const [key, value] = property.children ?? [];
    if (key === undefined || value === undefined) throw new Error("a property without errors has a key and a value");
    const name = String(key.value);
    const earlier = members.get(name);
    if (earlier !== undefined) {
      const reason = `the key ${JSON.stringify(name)} stands twice in one object, first at ${source.placeOf(earlier.keyOffset)}`;
      throw source.errorAt(key.offset, reason);
    }
    members.set(name, { keyOffset: key.offset, value: convert(source, value) });
  }
  return members;
}

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ScenarioInputError } from "./scenario-error.ts";
import { ScenarioSource } from "./scenario-source.ts";
import { seed, seedNote } from "./seed.test-util.ts";
import type { JsonValue } from "./strict-json.ts";
import { parseStrictJson } from "./strict-json.ts";

function plain(text: string, value: JsonValue): unknown {
  switch (value.kind) {
    case "object":
      return Object.fromEntries(Array.from(value.members, ([key, member]) => [key, plain(text, member.value)]));
    case "array":
      return value.items.map((item) => plain(text, item));
    case "string":
      return value.value;
    case "number":
      return Number(value.text);
    case "boolean":
      return text.startsWith("true", value.offset);
    case "null":
      return null;
  }
}

/** What the runtime's own parser makes of the text, or undefined when it is not JSON. */
function reference(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    // Not JSON: that is the answer.
    return undefined;
  }
}

describe("parseStrictJson, compared with JSON.parse", () => {
  it(`gives the same values ${seedNote}`, () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), fc.constantFrom(0, 1, 2), (json, indent) => {
        const text = JSON.stringify(JSON.parse(json), null, indent);
        expect(plain(text, parseStrictJson(new ScenarioSource("f", text)))).toEqual(JSON.parse(text));
      }),
      { seed },
    );
  });

  it(`refuses exactly what that refuses, at a place inside the text ${seedNote}`, () => {
    const scrap = fc.constantFrom(
      ..."{}[],:\"'\\/*-+.0123eEtfn \n\t\u00a0\uFEFF",
      "true",
      "null",
      '"a"',
      "//",
      "/*",
      "\\u00",
    );
    fc.assert(
      fc.property(fc.json({ maxDepth: 3 }), fc.nat(), fc.nat(3), scrap, (json, where, cut, insert) => {
        const at = where % (json.length + 1);
        const text = json.slice(0, at) + insert + json.slice(at + cut);
        const expected = reference(text);
        let found: { readonly value: unknown } | undefined;
        try {
          found = { value: plain(text, parseStrictJson(new ScenarioSource("f", text))) };
        } catch (error) {
          if (!(error instanceof ScenarioInputError)) throw error;
          // The one thing that is JSON and still refused.
          if (error.reason.includes("stands twice")) return;
          expect(error.line).toBeLessThanOrEqual(text.split(/\r\n|\n|\r/).length);
        }
        expect(found).toEqual(expected);
      }),
      { seed, numRuns: 2000 },
    );
  });
});

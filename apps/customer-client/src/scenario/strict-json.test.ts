import { describe, expect, it } from "vitest";
import { expectRefusal } from "./marked-text.test-util.ts";
import { ScenarioSource } from "./scenario-source.ts";
import type { JsonValue } from "./strict-json.ts";
import { parseStrictJson } from "./strict-json.ts";

const parse = (text: string, file = "f"): JsonValue => parseStrictJson(new ScenarioSource(file, text));

describe("parseStrictJson", () => {
  it("gives every value its place, and numbers as they are written", () => {
    expect(parse('{"a": [1.50, "x\\n", true, null]}')).toEqual({
      kind: "object",
      offset: 0,
      members: new Map([
        [
          "a",
          {
            keyOffset: 1,
            value: {
              kind: "array",
              offset: 6,
              items: [
                { kind: "number", offset: 7, text: "1.50" },
                { kind: "string", offset: 13, value: "x\n" },
                { kind: "boolean", offset: 20 },
                { kind: "null", offset: 26 },
              ],
            },
          },
        ],
      ]),
    });
  });

  it.each([
    ["nothing", "▲", "the file is empty"],
    ["white space only", "▲ \n\t\r\n", "the file is empty"],
    ["prose", "▲hello world", "hello is not JSON"],
    ["a trailing comma in an array", "[\n  1▲,\n]", "a comma with nothing between it and the ]"],
    ["a trailing comma in an object", '{"a": 1 ▲, }', "a comma with nothing between it and the }"],
    ["a comma alone", "[▲,]", "a value is expected here, not ,"],
    ["two commas", "[1,▲,2]", "a value is expected here, not ,"],
    ["a missing comma in an array", "[{}\r\n ▲{}]", "a comma is missing before {"],
    ["a missing comma in an object", '{"a": 1\n▲"b": 2}', 'a comma is missing before "b"'],
    ["a missing colon", '{"a" ▲1}', "a colon is missing before 1"],
    ["a missing value", '{"a": ▲}', "a value is expected here, not }"],
    ["a key without quotes", "{▲a: 1}", "a is not JSON"],
    ["a number as key", "{▲1: 1}", "a key in double quotes is expected here, not 1"],
    ["single quotes", "[▲'a']", "strings take double quotes in JSON"],
    ["the wrong bracket", "[1▲}", "} does not close what is open here"],
    ["a bracket too many", "[1]▲]", "text after the end of the JSON"],
    ["text behind the JSON", "[1]\n▲x", "text after the end of the JSON"],
    ["a second value", "{}▲{}", "text after the end of the JSON"],
    ["a comma behind the JSON", "[]▲,", "text after the end of the JSON"],
    ["an array without end", "[\n [1, 2\n▲", "the file ends before the [ of line 2, column 2 is closed"],
    ["an object without end", '[{"a": 1▲', "the file ends before the { of line 1, column 2 is closed"],
    ["an end behind a key", '{"a"▲', "the file ends before the { of line 1, column 1 is closed"],
    ["a string without end", '[▲"abc', "this string does not end on its line"],
    ["a string over two lines", '[▲"a\nb"]', "this string does not end on its line"],
    ["an unknown escape", '[▲"\\x"]', "escape that JSON does not know"],
    ["half a Unicode escape", '[▲"\\u12"]', "escape that JSON does not know"],
    ["a tab in a string", '[▲"a\tb"]', "control character"],
    ["a line comment", "[1] ▲// one", "JSON has no comments"],
    ["a block comment", "[▲/* one */ 1]", "JSON has no comments"],
    ["a comment without end", "[▲/* one", "JSON has no comments"],
    ["a leading zero", "[0▲1]", "begin with a zero"],
    ["a leading zero alone in the file", "0▲1", "begin with a zero"],
    ["a number that ends in its point", "[▲1.]", "the number 1. is incomplete"],
    ["a number that ends in its exponent", "[▲1e]", "the number 1e is incomplete"],
    ["a plus sign", "[▲+1]", "+1 is not JSON"],
    ["not a number", "[▲NaN]", "NaN is not JSON"],
    ["a misspelt literal", "[▲tru]", "tru is not JSON"],
    ["a no-break space", "[1▲\u00a0]", "is not JSON"],
    ["a second byte order mark", "▲\uFEFF[]", "\\u{feff} is not JSON"],
    ["a NUL", "[]▲\0", "text after the end of the JSON"],
    ["a key twice", '{"a": 1,\n ▲"a": 2}', 'the key "a" stands twice in one object, first at line 1, column 2'],
    ["a key twice, once escaped", '{"a": 1, ▲"\\u0061": 2}', 'the key "a" stands twice'],
    ["__proto__ twice", '{"__proto__": 1, ▲"__proto__": 2}', 'the key "__proto__" stands twice'],
    ["a key twice further inside", '[{"b": {"a": 1, ▲"a": 1}}]', 'the key "a" stands twice'],
  ])("refuses %s", (_, text, words) => {
    expectRefusal(text, words, parse);
  });

  it("refuses arrays and objects too deep inside each other, however deep they are", () => {
    expect(() => parse("[".repeat(32) + "]".repeat(32))).not.toThrow();
    expectRefusal(`${"[".repeat(32)}▲[${"]".repeat(33)}`, "more than 32 arrays and objects inside each other", parse);
    expectRefusal(`${'{"a":'.repeat(32)}▲${"[".repeat(1_000_000)}`, "more than 32 arrays and objects", parse);
  });

  it("does not count brackets inside strings", () => {
    expect(() => parse(JSON.stringify("[{".repeat(100)))).not.toThrow();
  });

  it("shows only a short and harmless piece of what it found", () => {
    expectRefusal(`[▲${"x".repeat(1000)}]`, `${"x".repeat(40)}… is not JSON`, parse);
    expectRefusal("[▲\u001b[31m]", "\\u{1b}", parse);
  });
});

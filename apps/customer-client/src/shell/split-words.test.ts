import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seed, seedNote } from "../scenario/seed.test-util.ts";
import { quoteWords, splitWords, UnfinishedQuoteError } from "./split-words.ts";

describe("splitWords", () => {
  it.each<[string, string[]]>([
    ["", []],
    ["   ", []],
    ["deposit 1 12.34", ["deposit", "1", "12.34"]],
    ["  deposit\t1  2 ", ["deposit", "1", "2"]],
    ["open --owner 'Ada Lovelace'", ["open", "--owner", "Ada Lovelace"]],
    ['open --owner "Ada \\"the first\\" L\\\\"', ["open", "--owner", 'Ada "the first" L\\']],
    ["'a\\b'", ["a\\b"]],
    ['"a\\b"', ["a\\b"]],
    ["a\\ b", ["a b"]],
    ["a\\", ["a\\"]],
    ["''", [""]],
    ["a''b", ["ab"]],
    ["--name='x y'", ["--name=x y"]],
    ["balance 1 # of Ada", ["balance", "1"]],
    ["balance a#1", ["balance", "a#1"]],
    ["# all of it", []],
    ["'#1'", ["#1"]],
  ])("splits %j", (line, words) => {
    expect(splitWords(line)).toEqual(words);
  });

  it.each(["'a", '"a', 'b"c', "'a\"", '"a\\"'])("refuses the open quote of %j", (line) => {
    expect(() => splitWords(line)).toThrow(UnfinishedQuoteError);
  });
});

describe(`quoteWords ${seedNote}`, () => {
  it("quotes only what needs it", () => {
    expect(quoteWords(["deposit", "1", "12.34", "--owner", "Ada L", ""])).toBe("deposit 1 12.34 --owner 'Ada L' ''");
    expect(quoteWords(["it's"])).toBe("'it'\\''s'");
  });

  it("is undone by splitWords", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: fc.constantFrom("a", "'", '"', "\\", " ", "#", "\t", "é", "-") })),
        (words) => {
          expect(splitWords(quoteWords(words))).toEqual(words);
        },
      ),
      { seed },
    );
  });
});

import { describe, expect, it } from "vitest";
import { positionAt } from "./source-position.ts";

describe("positionAt", () => {
  it.each([
    ["", 0, 1, 1],
    ["ab", 2, 1, 3],
    ["a\nb", 1, 1, 2],
    ["a\nb", 2, 2, 1],
    ["a\r\nb", 3, 2, 1],
    ["a\rb", 2, 2, 1],
    ["a\n\r\n\rb", 5, 4, 1],
    ["\t\tx", 2, 1, 3],
  ])("finds %j at %i in line %i, column %i", (text, offset, line, column) => {
    expect(positionAt(text, offset)).toEqual({ line, column });
  });

  it("counts a character outside the basic plane as one column", () => {
    expect(positionAt("🏦🏦x", 4)).toEqual({ line: 1, column: 3 });
  });
});

import { describe, expect, it } from "vitest";
import { CALL_CHARACTERS_MAX, CALL_COMMANDS_MAX } from "./limits.ts";
import { calls } from "./send-batch.ts";

const lines = (count: number, commands: number, characters = 10) =>
  Array.from({ length: count }, () => ({ commands, characters }));

/** Lines of each call. */
const sizes = (all: ReturnType<typeof lines>) => [...calls(all)].map(({ length }) => length);

describe("the calls of a batch", () => {
  it("carry up to a thousand commands each, in their order", () => {
    expect(sizes([])).toEqual([]);
    expect(sizes(lines(1_000, 1))).toEqual([1_000]);
    expect(sizes(lines(2_001, 1))).toEqual([1_000, 1_000, 1]);
    const all = lines(2_500, 1).map((line, i) => ({ ...line, i }));
    expect([...calls(all)].flat().map(({ i }) => i)).toEqual(all.map(({ i }) => i));
  });

  it("count the commands of groups", () => {
    expect(sizes(lines(25, 100))).toEqual([10, 10, 5]);
    expect(sizes([...lines(1, 999), ...lines(2, 100)])).toEqual([1, 2]);
  });

  it("carry no more than a server takes", () => {
    expect(sizes(lines(5, 1, CALL_CHARACTERS_MAX / 2))).toEqual([2, 2, 1]);
    expect(sizes(lines(2, CALL_COMMANDS_MAX + 1, CALL_CHARACTERS_MAX + 1))).toEqual([1, 1]);
  });
});

import { describe, expect, it } from "vitest";
import { formatScript, parseScript } from "./script-file.test-util.ts";

const SCRIPT = `# Money
#
# comes and goes.

$ bank deposit 1 5
Deposited.

  with a blank line in it

$ bank withdraw 1 9
bank: No.
[exit 1]

# 2 days pass

$ cat pay-day.jsonl
{}

{}

$ bank branches
`;

describe("a script", () => {
  it("is commands with their output, files, and time that passes", () => {
    expect(parseScript(SCRIPT).filter(({ kind }) => kind !== "prose")).toEqual([
      {
        kind: "command",
        line: "$ bank deposit 1 5",
        lineNumber: 5,
        output: "Deposited.\n\n  with a blank line in it\n",
      },
      { kind: "command", line: "$ bank withdraw 1 9", lineNumber: 10, output: "bank: No.\n[exit 1]\n" },
      { kind: "pass", line: "# 2 days pass", ms: 172_800_000 },
      { kind: "file", line: "$ cat pay-day.jsonl", name: "pay-day.jsonl", content: "{}\n\n{}\n" },
      { kind: "command", line: "$ bank branches", lineNumber: 21, output: "" },
    ]);
  });

  it("is written as it was read", () => {
    expect(formatScript(parseScript(SCRIPT))).toBe(SCRIPT);
  });

  it.each<[string, string]>([
    ["# 1 second passes", "1000"],
    ["# 90 minutes pass", "5400000"],
    ["# 3 hours pass", "10800000"],
    ["# 1 week passes", "604800000"],
  ])("knows how long %j is", (line, ms) => {
    expect(parseScript(line)).toEqual([{ kind: "pass", line, ms: Number(ms) }]);
  });

  it.each<[string, string]>([
    ["# 2 dyas pass", "line 1 is not like `# 2 days pass`: # 2 dyas pass"],
    ["# Two days pass", "line 1 is not like"],
    ["\n$ banc deposit", "line 2 is neither"],
    ["lost output", "line 1 belongs to no command: lost output"],
  ])("that says %j is refused", (text, problem) => {
    expect(() => parseScript(text)).toThrow(problem);
  });
});

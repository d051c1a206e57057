import { expect } from "vitest";
import { ScenarioInputError } from "./scenario-error.ts";

const MARK = "▲";

/** A text with the place where its problem is expected, which a ▲ in front of it shows. */
export function marked(textWithMark: string): {
  readonly text: string;
  readonly line: number;
  readonly column: number;
} {
  const [before, after, ...more] = textWithMark.split(MARK);
  if (before === undefined || after === undefined || more.length > 0) throw new Error("one ▲ is needed");
  const lines = before.split("\n");
  return { text: before + after, line: lines.length, column: [...lines.at(-1)!].length + 1 };
}

/** Expects `read` to refuse the text at its ▲, with a reason that has these words, and a message with place and reason. */
export function expectRefusal(
  textWithMark: string,
  words: string,
  read: (text: string, file: string) => unknown,
): void {
  const { text, line, column } = marked(textWithMark);
  const error = errorOf(() => read(text, "some file.json"));
  expect(error).toBeInstanceOf(ScenarioInputError);
  if (!(error instanceof ScenarioInputError)) return;
  expect(error.reason).toContain(words);
  expect(error.message).toBe(`some file.json:${line}:${column}: ${error.reason}`);
  expect(error).toMatchObject({ file: "some file.json", line, column });
  expect(error.message).not.toMatch(/[\n\r]/);
}

function errorOf(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}

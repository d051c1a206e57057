/** One command of a text's console blocks, with what it is said to print. */
export interface TourStep {
  readonly command: string;
  /** Lines; `…` stands for anything within a line. */
  readonly expected: readonly string[];
  /** Line of the command in the text, from 1. */
  readonly line: number;
}

/** Reads the commands (`$ …`) and their output out of every ```console block. */
export function readTour(markdown: string): TourStep[] {
  const steps: TourStep[] = [];
  let inConsole = false;
  let current: { command: string; expected: string[]; line: number } | undefined;
  for (const [index, text] of markdown.split("\n").entries()) {
    if (text.startsWith("```")) {
      inConsole = !inConsole && text === "```console";
      current = undefined;
    } else if (inConsole && text.startsWith("$ ")) {
      current = { command: text.slice(2), expected: [], line: index + 1 };
      steps.push(current);
    } else if (inConsole) {
      current?.expected.push(text);
    }
  }
  return steps;
}

/** The first difference between what a step should print and what it printed; undefined when there is none. */
export function difference({ expected }: TourStep, printed: string): string | undefined {
  const lines = printed.trimEnd().split("\n");
  for (let i = 0; i < Math.max(lines.length, expected.length); i++) {
    const want = expected[i];
    const got = lines[i];
    if (want !== undefined && got !== undefined && pattern(want).test(got.trimEnd())) continue;
    return `line ${i + 1}: expected ${JSON.stringify(want)}, printed ${JSON.stringify(got)}`;
  }
  return undefined;
}

function pattern(expected: string): RegExp {
  const parts = expected.trimEnd().split("…");
  return new RegExp(`^${parts.map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join(".*")}$`);
}

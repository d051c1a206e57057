/**
 * A script test: a text that a banker can read, of commands with the whole of what they print, run against a real bank.
 *
 *     # What it is about, in as many lines as it takes.
 *
 *     $ bank deposit 1 100
 *     Deposited 100.00 USD into account 1.
 *
 *     $ bank withdraw 1 500
 *     bank: Account 1 has 100.00 USD to spend, and 500.00 USD were asked for.
 *     [exit 1]
 *
 *     # 2 days pass
 *
 *     $ cat pay-day.jsonl
 *     what stands here is the file, which commands can name from here on, or read: $ bank batch - < pay-day.jsonl
 *
 * The exit code is written where it is not 0. Output ends before the next line that begins with `$` or `#`; blank lines at its end do not count.
 */
export type ScriptItem =
  | { readonly kind: "prose"; readonly lines: readonly string[] }
  | { readonly kind: "pass"; readonly line: string; readonly ms: number }
  | { readonly kind: "file"; readonly line: string; readonly name: string; readonly content: string }
  | {
      readonly kind: "command";
      readonly line: string;
      /** 1 for the first line of the script. */
      readonly lineNumber: number;
      /** Each line with its end. */
      readonly output: string;
    };

const UNITS_MS: Readonly<Record<string, number>> = {
  second: 1_000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 604_800_000,
};

/** Throws: `Error` with the number of the line that it cannot read. */
export function parseScript(text: string): ScriptItem[] {
  const items: ScriptItem[] = [];
  const lines = text.split("\n");
  let at = 0;
  while (at < lines.length) {
    const line = lines[at] ?? "";
    const lineNumber = at + 1;
    at++;
    if (line.startsWith("$ ")) {
      const output: string[] = [];
      while (at < lines.length && !/^[$#]/.test(lines[at] ?? "")) output.push(lines[at++] ?? "");
      items.push(commandItem(line, lineNumber, joined(output)));
    } else if (line.startsWith("#")) {
      items.push(commentItem(line, lineNumber));
    } else if (line !== "") {
      throw new Error(`line ${lineNumber} belongs to no command: ${line}`);
    } else if (items.at(-1)?.kind === "prose") {
      items.push({ kind: "prose", lines: [""] });
    }
  }
  return items;
}

/** The text that gives these items: one blank line behind each command, and the comments as they stood. */
export function formatScript(items: readonly ScriptItem[]): string {
  let text = "";
  for (const item of items) {
    if (item.kind === "prose") text += item.lines.map((line) => `${line}\n`).join("");
    else if (item.kind === "pass") text += `${item.line}\n\n`;
    else text += `${item.line}\n${item.kind === "file" ? item.content : item.output}\n`;
  }
  return `${text.trimEnd()}\n`;
}

function commandItem(line: string, lineNumber: number, output: string): ScriptItem {
  const name = /^\$ cat (\S+)$/.exec(line)?.[1];
  if (name !== undefined) return { kind: "file", line, name, content: output };
  if (!line.startsWith("$ bank ")) throw new Error(`line ${lineNumber} is neither \`$ bank …\` nor \`$ cat FILE\``);
  return { kind: "command", line, lineNumber, output };
}

function commentItem(line: string, lineNumber: number): ScriptItem {
  const match = /^# ([0-9]+) ([a-z]+?)s? pass(?:es)?$/.exec(line);
  const unitMs = UNITS_MS[match?.[2] ?? ""];
  if (match !== null && unitMs !== undefined) return { kind: "pass", line, ms: Number(match[1]) * unitMs };
  // A typing error must not turn the passing of time into prose.
  if (/^# \S+ \S+ pass(es)?\.?$/.test(line))
    throw new Error(`line ${lineNumber} is not like \`# 2 days pass\`: ${line}`);
  return { kind: "prose", lines: [line] };
}

function joined(lines: readonly string[]): string {
  const text = lines.join("\n").trimEnd();
  return text === "" ? "" : `${text}\n`;
}

import { parseArgs } from "node:util";

/** What the command line asks for. */
export interface BenchArgs<T> {
  readonly quick: boolean;
  /** How often every row is measured; undefined where nothing is said. */
  readonly rounds: number | undefined;
  readonly list: boolean;
  readonly json: string | undefined;
  /** Those that were chosen, in their own order; all where nothing is said. */
  readonly suites: readonly T[];
}

/** Reads the command line: what is wrong with it, or what it says. `--only` takes names with commas, and may come again. */
export function parseBenchArgs<T extends { readonly name: string }>(
  args: readonly string[],
  suites: readonly T[],
): BenchArgs<T> | { readonly problem: string } {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        quick: { type: "boolean", default: false },
        list: { type: "boolean", default: false },
        only: { type: "string", multiple: true },
        json: { type: "string" },
        rounds: { type: "string" },
      },
    });
    const wanted = (values.only ?? []).flatMap((names) => names.split(",")).filter((name) => name !== "");
    const known = suites.map(({ name }) => name);
    const unknown = wanted.filter((name) => !known.includes(name));
    if (unknown.length > 0)
      return { problem: `No part of the benchmark is called ${unknown.join(" or ")}. There are: ${known.join(", ")}` };
    const chosen = values.only === undefined ? suites : suites.filter(({ name }) => wanted.includes(name));
    const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
    if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 1 && rounds <= 99))
      return { problem: `--rounds is a whole number from 1 to 99, not ${values.rounds}` };
    return { quick: values.quick, rounds, list: values.list, json: values.json, suites: chosen };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

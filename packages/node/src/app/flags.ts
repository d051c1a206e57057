import { type Command, InvalidArgumentError, Option } from "commander";
import { type EffectiveSetting, formatConfig } from "./print-config.ts";

/** A flag that can also be set in the environment. */
export function flag(flags: string, variable: string, description: string): Option {
  return new Option(flags, description).env(variable);
}

/** Parses a whole number of at least `min`. */
export function wholeNumber(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(value) || value < min)
      throw new InvalidArgumentError(`It must be a whole number, at least ${min}.`);
    return value;
  };
}

/** What `--print-config` prints: every setting that has a variable, its value, and where that comes from. */
export function printConfig(command: Command): void {
  const settings = command.options.flatMap((option): EffectiveSetting[] => {
    if (option.envVar === undefined) return [];
    const name = option.attributeName();
    const source = command.getOptionValueSource(name);
    return [
      {
        flag: option.long ?? option.flags,
        value: String(command.getOptionValue(name) ?? ""),
        source: source === "cli" ? "flag" : source === "env" ? "environment" : "default",
        variable: option.envVar,
      },
    ];
  });
  process.stdout.write(`${formatConfig(settings)}\n`);
}

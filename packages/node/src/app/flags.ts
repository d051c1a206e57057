import { serverUrl } from "@bank/rpc";
import { withoutPassword } from "@bank/store";
import { Command, InvalidArgumentError, Option } from "commander";
import { type EffectiveSetting, formatConfig } from "./print-config.ts";

/** The flags or the environment are wrong. */
export const EXIT_WRONG_FLAGS = 2;

/** The command line of a server. Ends the process with `EXIT_WRONG_FLAGS` for flags that it does not understand. */
export function serverCommand(name: string): Command {
  return new Command(name)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : EXIT_WRONG_FLAGS))
    .hook("preAction", takeBackSwitches)
    .showHelpAfterError(`(${name} --help lists the flags)`);
}

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

/** Parses the URL of a server. */
export function serverUrlFlag(text: string): string {
  try {
    return serverUrl(text);
  } catch {
    throw new InvalidArgumentError("It must be HOST:PORT or http://HOST:PORT.");
  }
}

/**
 * What `--print-config` prints: every setting, its value, and where that comes from.
 *
 * @param defaults values of settings that follow from others where nothing is said, by name.
 */
export function printConfig(command: Command, defaults: Readonly<Record<string, string>>): void {
  const settings = command.options.flatMap((option): EffectiveSetting[] => {
    if (option.envVar === undefined) return [];
    const name = option.attributeName();
    const source = command.getOptionValueSource(name);
    const value: unknown = command.getOptionValue(name);
    return [
      {
        flag: option.long ?? option.flags,
        // A flag that takes something away is true where that is false.
        value: withoutPassword(String(option.negate ? value === false : (value ?? defaults[name] ?? ""))),
        source: source === "cli" ? "flag" : source === "env" ? "environment" : "default",
        variable: option.envVar,
      },
    ];
  });
  process.stdout.write(`${formatConfig(settings)}\n`);
}

/** What means "no" for a flag without a value: commander looks only at whether the variable is there. */
const OFF = ["", "0", "false", "no", "off"];

function takeBackSwitches(command: Command): void {
  for (const option of command.options) {
    const { envVar } = option;
    const name = option.attributeName();
    const isSwitch = option.isBoolean() || option.negate;
    if (envVar === undefined || !isSwitch || command.getOptionValueSource(name) !== "env") continue;
    if (OFF.includes(process.env[envVar]?.toLowerCase() ?? ""))
      command.setOptionValueWithSource(name, undefined, "default");
  }
}

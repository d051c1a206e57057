import { serverUrl } from "@bank/rpc";
import { FREE_SPACE_MARK_MIN_BYTES, withoutPassword } from "@bank/store";
import { Command, InvalidArgumentError, Option } from "commander";
import { isEveryAddress } from "../every-address.ts";
import { MIN_FREE_BYTES } from "../room-watch.ts";
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

const MIB = 1024 ** 2;
const UNITS: Readonly<Record<string, number>> = { "": 1, KIB: 1024, MIB, GIB: 1024 ** 3, TIB: 1024 ** 4 };

/** The flag of both servers: see `OpenStoreOptions.minFreeBytes`. */
export function minFreeSpaceFlag(variable: string): Option {
  return flag(
    "--min-free-space <size>",
    variable,
    "stop writing once the disk has less room than this; 0 for no such mark",
  )
    .default(MIN_FREE_BYTES, `${MIN_FREE_BYTES / MIB}MiB`)
    .argParser(freeSpace);
}

function freeSpace(text: string): number {
  const [, digits, unit = ""] = /^([0-9]{1,15})\s*([A-Za-z]*)$/.exec(text.trim()) ?? [];
  const bytes = Number(digits) * (UNITS[unit.toUpperCase()] ?? Number.NaN);
  if (Number.isSafeInteger(bytes) && (bytes === 0 || bytes >= FREE_SPACE_MARK_MIN_BYTES)) return bytes;
  throw new InvalidArgumentError(
    `It must be a size such as 256MiB or 1GiB, at least ${FREE_SPACE_MARK_MIN_BYTES / MIB}MiB, or 0 for no such mark.`,
  );
}

/** Parses the URL of a server. */
export function serverUrlFlag(text: string): string {
  try {
    return serverUrl(text);
  } catch {
    throw new InvalidArgumentError("It must be HOST:PORT or http://HOST:PORT.");
  }
}

/** Parses the URL at which others are to reach a server: one that names a host and a port that somebody can connect to. */
export function advertisedUrlFlag(text: string): string {
  const url = serverUrlFlag(text);
  const { hostname, port } = new URL(url);
  if (isEveryAddress(hostname))
    throw new InvalidArgumentError(`${hostname} is every address of a machine, and others can reach none by it.`);
  if (port === "0") throw new InvalidArgumentError("Nobody can connect to port 0.");
  return url;
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

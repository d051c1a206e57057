import type { Command } from "commander";
import { Option } from "commander";
import type { CommandContext } from "../command-context.ts";
import { parseDuration, parseTime } from "../time-text.ts";
import { UsageError } from "../usage-error.ts";

/** When a hold is to end by itself. */
export interface ExpiryArguments {
  readonly expiresIn?: string;
  readonly expiresAt?: string;
}

/** Adds `--expires-in` and `--expires-at`. */
export function addExpiryOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--expires-in <time>", "ends by itself after so long: 90s, 30m, 12h, 7d, 2w").conflicts("expiresAt"),
    )
    .option("--expires-at <time>", "ends by itself at this moment, as in RFC 3339");
}

/**
 * The moment that was asked for, Unix milliseconds; undefined for none. A length of time counts from this machine's
 * clock and is a moment from then on, so that whoever repeats the command repeats the same request.
 *
 * Throws: `UsageError`.
 */
export function expiryOf(context: CommandContext, { expiresIn, expiresAt }: ExpiryArguments): number | undefined {
  if (expiresAt !== undefined) return parseTime(expiresAt, "--expires-at");
  if (expiresIn === undefined) return undefined;
  const duration = parseDuration(expiresIn, "--expires-in");
  if (context.settings.requestIdGiven)
    throw new UsageError(
      "--expires-in counts from now, so that a second try under the same --request-id would ask for something else: " +
        "write the moment, with --expires-at.",
      { duration: expiresIn },
    );
  // Whole seconds read better, and nobody is given less than was asked for.
  const timeMs = Math.ceil((context.io.nowMs() + duration) / 1_000) * 1_000;
  context.repeatAs(withMoment(context.words, new Date(timeMs).toISOString()));
  return timeMs;
}

function withMoment(words: readonly string[], moment: string): string[] {
  return words.flatMap((word, i) => {
    if (word === "--expires-in") return ["--expires-at", moment];
    if (word.startsWith("--expires-in=")) return [`--expires-at=${moment}`];
    return words[i - 1] === "--expires-in" ? [] : [word];
  });
}

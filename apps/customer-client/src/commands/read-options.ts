import type { BankClient, Consistency, ReadOptions } from "@bank/client";
import { type Command, Option } from "commander";
import type { CommandContext } from "../command-context.ts";
import { parsePosition } from "../positions.ts";
import { parseStaleness, parseTime } from "../time-text.ts";
import { UsageError } from "../usage-error.ts";

const MODES = ["linearizable", "session", "bounded", "local"] as const;

/** How current a read must be, as the command line says it. */
export interface ReadArguments {
  readonly consistency?: (typeof MODES)[number];
  readonly maxStaleness?: string;
}

/** The same, of a read that can also be of the past. */
export interface PastArguments extends ReadArguments {
  readonly atPosition?: string;
  readonly atTime?: string;
}

/** Adds `--consistency` and `--max-staleness` to a command that reads. */
export function addReadOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--consistency <mode>",
        "linearizable: newest of all (default); session: what you have seen; bounded: at most --max-staleness old; " +
          "local: whatever is there",
      ).choices(MODES),
    )
    .option("--max-staleness <length>", "how old it may be, such as 500ms or 2s");
}

/** Adds `--at-position` and `--at-time` besides. */
export function addPastOptions(command: Command): Command {
  const other = ["consistency", "maxStaleness"];
  return addReadOptions(command)
    .addOption(new Option("--at-position <n>", "as it stood at this position").conflicts(["atTime", ...other]))
    .addOption(
      new Option("--at-time <time>", "as it stood at the end of this moment, as in RFC 3339").conflicts(other),
    );
}

/** What is asked of the state that is read. Throws: `UsageError`. */
export function consistencyOf({ consistency, maxStaleness, atPosition, atTime }: PastArguments): Consistency {
  if (atPosition !== undefined) return { mode: "position", position: parsePosition(atPosition, "position") };
  if (atTime !== undefined) return { mode: "time", time: new Date(parseTime(atTime, "--at-time")) };
  const mode = consistency ?? (maxStaleness === undefined ? "linearizable" : "bounded");
  if (mode !== "bounded") {
    if (maxStaleness === undefined) return mode;
    throw new UsageError(`--max-staleness is the bound of a bounded read, and this one is to be ${mode}.`);
  }
  if (maxStaleness === undefined) throw new UsageError("How old may it be? --max-staleness says it, such as 500ms.");
  return { mode, maxStalenessMs: parseStaleness(maxStaleness, "--max-staleness") };
}

/** A client and the options of its read. Rejects with `UsageError`, also for a session read without a session. */
export async function reader(
  context: CommandContext,
  given: PastArguments,
): Promise<{ client: BankClient; consistency: Consistency; options: () => ReadOptions }> {
  const consistency = consistencyOf(given);
  const { session, sessionFile } = context.settings;
  if (consistency === "local" && session !== undefined)
    throw new UsageError("A local read looks at no session: leave --session out, or read with --consistency session.");
  const client = await context.client(isPast(consistency) ? "local" : consistency);
  if (consistency === "session" && client.session === undefined && sessionFile === undefined)
    throw new UsageError(
      "A session read needs the session of an earlier command: --session TOKEN, as its --json prints it, or --session-file FILE.",
    );
  return { client, consistency, options: () => ({ ...context.call(), consistency }) };
}

/** Whether a read is of the past. */
function isPast(consistency: Consistency): boolean {
  return typeof consistency === "object" && (consistency.mode === "position" || consistency.mode === "time");
}

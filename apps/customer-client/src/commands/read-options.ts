import type { BankClient, ReadOptions } from "@bank/client";
import { CONSISTENCY_MODES, type ConsistencyMode } from "@bank/rpc";
import { type Command, Option } from "commander";
import type { CommandContext } from "../command-context.ts";
import { UsageError } from "../usage-error.ts";

/** How current a read must be, as the command line says it. */
export interface ReadArguments {
  readonly mode?: ConsistencyMode;
  readonly session?: string;
}

/** Adds `--mode` and `--session` to a command that reads. */
export function addReadOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--mode <mode>", "linearizable: newest of all; session: what you have seen; local: whatever is there")
        .choices(CONSISTENCY_MODES)
        .default("linearizable"),
    )
    .addOption(new Option("--session <token>", "go on from what an earlier command has seen (its --json says it)"));
}

/** A client and the options of its read. Rejects with `UsageError` for a session read without a session. */
export async function reader(
  context: CommandContext,
  { mode = "linearizable", session }: ReadArguments,
): Promise<{ client: BankClient; options: () => ReadOptions }> {
  if (session !== undefined && mode === "local")
    throw new UsageError("A local read looks at no session: leave --session out, or read with --mode session.");
  const client = await context.client({ consistency: mode, session });
  if (mode === "session" && client.session === undefined)
    throw new UsageError(
      "A session read needs the session of an earlier command: --session TOKEN, as its --json prints it.",
    );
  return { client, options: () => ({ ...context.call(), consistency: mode }) };
}

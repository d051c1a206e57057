import type { MutationOptions, VersionedOptions } from "@bank/client";
import type { Command } from "commander";
import type { CommandContext } from "../command-context.ts";
import { parsePosition } from "../positions.ts";

/** What every command that changes something was given. */
export interface ChangeArguments {
  readonly dryRun?: boolean;
}

/** What every command that changes one account was given besides. */
export interface VersionedArguments extends ChangeArguments {
  readonly expectVersion?: string;
}

/** Adds `--dry-run`. */
export function addDryRunOption(command: Command): Command {
  return command.option("--dry-run", "only tell what would happen");
}

/** Adds `--expect-version` and `--dry-run`. */
export function addChangeOptions(command: Command): Command {
  return addDryRunOption(
    command.option("--expect-version <n>", "only if the account is at this version, as `account show` tells it"),
  );
}

/** The options of the one mutation that a command makes, asked for when it is made: they hold what is left of its time. */
export function mutationOptions(context: CommandContext, { dryRun }: ChangeArguments): () => MutationOptions {
  return () => ({ ...context.mutation(), validateOnly: dryRun === true });
}

/** The same, of a mutation of one account. Throws: `UsageError`. */
export function versionedOptions(context: CommandContext, given: VersionedArguments): () => VersionedOptions {
  const { expectVersion } = given;
  const expectedVersion =
    expectVersion === undefined ? undefined : parsePosition(expectVersion, "version of an account");
  const options = mutationOptions(context, given);
  return () => ({ ...options(), expectedVersion });
}

import type { AskedPropagation, MutationOptions, VersionedOptions, WriteOptions } from "@bank/client";
import type { Command } from "commander";
import type { CommandContext } from "../command-context.ts";
import { parsePosition } from "../positions.ts";
import { UsageError } from "../usage-error.ts";

/** What every command that changes something was given. */
export interface ChangeArguments extends PropagationArguments {
  readonly dryRun?: boolean;
}

export interface PropagationArguments {
  readonly propagation?: string;
}

/** What every command that changes one account was given besides. */
export interface VersionedArguments extends ChangeArguments {
  readonly expectVersion?: string;
}

/** Adds `--propagation`. */
export function addPropagationOption(command: Command): Command {
  return command.option(
    "--propagation <reach>",
    "answer when it is on the bank's disk (bank, the default), on n other disks too (quorum=n), or shown everywhere (all-branches)",
  );
}

/** Adds `--propagation` and `--dry-run`. */
export function addDryRunOption(command: Command): Command {
  return addPropagationOption(command).option("--dry-run", "only tell what would happen");
}

/** Adds `--expect-version`, `--propagation` and `--dry-run`. */
export function addChangeOptions(command: Command): Command {
  return addDryRunOption(
    command.option("--expect-version <n>", "only if the account is at this version, as `account show` tells it"),
  );
}

/** How far a change should spread. Throws: `UsageError`. */
export function propagationOf({ propagation }: PropagationArguments): AskedPropagation | undefined {
  if (propagation === undefined || propagation === "bank" || propagation === "all-branches") return propagation;
  const copies = /^quorum=([1-9][0-9]{0,3})$/.exec(propagation)?.[1];
  if (copies === undefined)
    throw new UsageError(`--propagation ${JSON.stringify(propagation)} is not bank, quorum=N or all-branches.`, {
      propagation,
    });
  return { quorum: Number(copies) };
}

/** The options of the calls of a command that changes something, but names no single mutation. Throws: `UsageError`. */
export function writeOptions(given: PropagationArguments): Pick<WriteOptions, "propagation"> {
  return { propagation: propagationOf(given) };
}

/**
 * The options of the one mutation that a command makes, asked for when it is made: they hold what is left of its time.
 * Throws: `UsageError`.
 */
export function mutationOptions(context: CommandContext, given: ChangeArguments): () => MutationOptions {
  const propagation = propagationOf(given);
  return () => ({ ...context.mutation(), propagation, validateOnly: given.dryRun === true });
}

/** The same, of a mutation of one account. Throws: `UsageError`. */
export function versionedOptions(context: CommandContext, given: VersionedArguments): () => VersionedOptions {
  const { expectVersion } = given;
  const expectedVersion =
    expectVersion === undefined ? undefined : parsePosition(expectVersion, "version of an account");
  const options = mutationOptions(context, given);
  return () => ({ ...options(), expectedVersion });
}

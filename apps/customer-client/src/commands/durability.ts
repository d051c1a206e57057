import type { Durability } from "@bank/client";
import type { Command } from "commander";
import type { CommandContext, Report } from "../command-context.ts";
import { doneDocument, durabilityDocument, readDocument } from "../documents.ts";
import { staleText } from "../positions.ts";
import { durabilitySentence } from "../results/branch-sentence.ts";
import { branchNumber } from "../settings.ts";
import { UsageError } from "../usage-error.ts";
import { defineCommand, type Run } from "./define.ts";
import { addReadOptions, type ReadArguments, reader } from "./read-options.ts";

interface SetArguments {
  readonly copies?: string;
  readonly branches?: string;
}

/** `bank durability …` */
export function addDurabilityCommands(program: Command, run: Run): void {
  const durability = program
    .command("durability")
    .description("Look at, and say, on how many branches' disks a write must be before it counts.");
  defineCommand(
    durability,
    run,
    {
      usage: "show",
      isDefault: true,
      description: "Show what a write must reach. This is also what `bank durability` does.",
      examples: [["durability", ""]],
    },
    show,
    addReadOptions,
  );
  defineCommand(
    durability,
    run,
    {
      usage: "set",
      changes: true,
      description: "Say what a write must reach, besides the bank's own disk, before it counts.",
      details:
        "The branches that count must be connected and lie in data folders of their own. While fewer than so many of them\n" +
        "are connected, nothing can be written. Losing the bank's disk then loses nothing.",
      examples: [
        ["durability set --copies 1 --branches 1,2", "on the disk of branch 1 or of branch 2"],
        ["durability set --copies 0", "on the bank's own disk alone"],
      ],
    },
    set,
    (command) =>
      command
        .option("--copies <n>", "on the disks of how many of them")
        .option("--branches <numbers>", "which branches count, by commas"),
  );
}

async function show(context: CommandContext, _: readonly string[], given: ReadArguments): Promise<Report> {
  const { client, consistency, options } = await reader(context, given);
  const list = await client.branches(options());
  return {
    document: { durability: durabilityDocument(list.durability), ...readDocument(list, client.session) },
    text: `${durabilitySentence(list.durability)}\n${staleText(list, consistency)}`,
  };
}

async function set(context: CommandContext, _: readonly string[], given: SetArguments): Promise<Report> {
  const asked = askedOf(given);
  const client = await context.client();
  const done = await client.setDurability(asked, context.mutation());
  return {
    document: {
      durability: durabilityDocument(done.durability),
      ...doneDocument({ ...done, preview: false }, client.session),
    },
    text: `${durabilitySentence(done.durability)}\n${done.replayed ? "  This request id was answered before; nothing was done now.\n" : ""}`,
  };
}

/** Throws: `UsageError`. */
function askedOf({ copies, branches = "" }: SetArguments): Pick<Durability, "copies" | "branches"> {
  if (copies === undefined || !/^[0-9]{1,2}$/.test(copies))
    throw new UsageError("How many disks? --copies says it: a whole number, 0 for none but the bank's.");
  const numbers = branches === "" ? [] : branches.split(",").map((each) => branchNumber(each.trim()));
  if (Number(copies) === 0 && numbers.length > 0)
    throw new UsageError("--copies 0 is for none but the bank's own disk: leave --branches out.", { copies, branches });
  if (Number(copies) > numbers.length)
    throw new UsageError(`--copies ${copies} is more than --branches names: ${numbers.length}.`, { copies });
  return { copies: Number(copies), branches: numbers };
}

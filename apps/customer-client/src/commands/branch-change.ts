import type { BranchChange } from "@bank/client";
import type { Command } from "commander";
import type { CommandContext, Report } from "../command-context.ts";
import { branchDocument, doneDocument } from "../documents.ts";
import { branchChangeSentence } from "../results/branch-sentence.ts";
import { branchNumber } from "../settings.ts";
import { defineCommand, type Run } from "./define.ts";

/** `bank branches rename`, `drain`, `activate` and `retire` */
export function addBranchChangeCommands(branches: Command, run: Run): void {
  defineCommand(
    branches,
    run,
    {
      usage: "rename <number> <name>",
      changes: true,
      description: "Give a branch another name.",
      examples: [["branches rename 2 'Harbour Street'", ""]],
    },
    (context, [number = "", name = ""]) => change(context, number, { name }),
  );
  defineCommand(
    branches,
    run,
    {
      usage: "drain <number>",
      changes: true,
      description: "Let a branch take no new calls of customers. It goes on following the bank.",
      details: "Clients that know several servers go to another one; `branches activate` brings it back.",
      examples: [["branches drain 2", "before its machine is worked on"]],
    },
    (context, [number = ""]) => change(context, number, { state: "draining" }),
  );
  defineCommand(
    branches,
    run,
    {
      usage: "activate <number>",
      changes: true,
      description: "Let a branch that was draining serve customers again.",
      examples: [["branches activate 2", ""]],
    },
    (context, [number = ""]) => change(context, number, { state: "active" }),
  );
  defineCommand(
    branches,
    run,
    {
      usage: "retire <number>",
      changes: true,
      description: "Close a branch for good. Its number is never used again.",
      details: "A branch whose copy counts towards durability cannot be retired: `bank durability set` chooses others.",
      examples: [["branches retire 2", ""]],
    },
    (context, [number = ""]) => change(context, number, { state: "retired" }),
  );
}

async function change(context: CommandContext, number: string, what: BranchChange): Promise<Report> {
  const branch = branchNumber(number);
  const client = await context.client();
  const done = await client.updateBranch(branch, what, context.mutation());
  return {
    document: { branch: branchDocument(done.branch), ...doneDocument({ ...done, preview: false }, client.session) },
    text: `${branchChangeSentence({ number: branch, ...what })}\n${done.replayed ? "  This request id was answered before; nothing was done now.\n" : ""}`,
  };
}

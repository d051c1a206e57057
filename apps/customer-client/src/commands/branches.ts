import { type BankClient, BankError, type Branch, type BranchStatus } from "@bank/client";
import type { Command } from "commander";
import type { CommandContext, Report } from "../command-context.ts";
import { branchDocument, readDocument } from "../documents.ts";
import { staleText } from "../positions.ts";
import { branchesTable, digestAgrees } from "../results/branches-text.ts";
import { addBranchChangeCommands } from "./branch-change.ts";
import { defineCommand, type Run } from "./define.ts";
import { addReadOptions, type ReadArguments, reader } from "./read-options.ts";

interface BranchesArguments extends ReadArguments {
  readonly status?: boolean;
}

/** `bank branches …` */
export function addBranchesCommands(program: Command, run: Run): void {
  const branches = program
    .command("branches")
    .description("Look at the branches of the bank: where they listen and how current they are; and change them.");
  defineCommand(
    branches,
    run,
    {
      usage: "list",
      isDefault: true,
      description: "List the branches. This is also what `bank branches` does.",
      details:
        "The bank knows how far each branch is that is connected to it; a branch knows it of itself and of those that\n" +
        "follow it. DIGEST is of the whole state at POSITION, with = where another branch has the same at the same\n" +
        "position. BEHIND counts positions, and AGE is how long ago a branch's state was the newest, at the most.",
      examples: [
        ["branches", ""],
        ["branches --status", "asks each of them itself"],
      ],
    },
    list,
    (command) => addReadOptions(command).option("--status", "ask each branch itself"),
  );
  addBranchChangeCommands(branches, run);
}

async function list(context: CommandContext, _: readonly string[], given: BranchesArguments): Promise<Report> {
  const { client, consistency, options } = await reader(context, given);
  const listed = await client.branches(options());
  const shown =
    given.status === true
      ? await Promise.all(listed.branches.map((each) => asked(context, client, each)))
      : listed.branches;
  return {
    document: {
      branches: shown.map((branch) => ({
        ...branchDocument(branch),
        digest_agrees: digestAgrees(branch, shown) ?? null,
      })),
      ...readDocument(listed, client.session),
    },
    text: branchesTable(shown, given.status === true) + staleText(listed, consistency),
  };
}

/** A branch that is up answers a local question at once. */
const STATUS_TIMEOUT_MS = 2_000;

/** The branch with what it says about itself; without, when it does not answer. */
async function asked(context: CommandContext, client: BankClient, branch: Branch): Promise<Branch> {
  const { signal, timeoutMs = STATUS_TIMEOUT_MS } = context.call();
  const options = { signal, timeoutMs: Math.min(timeoutMs, STATUS_TIMEOUT_MS), consistency: "local" } as const;
  try {
    const { branch: itself } = await (await client.branch(branch.number, options)).thisBranch(options);
    return { ...branch, status: joined(itself.status, branch.status) };
  } catch (error) {
    // Which branches do not answer is what was asked for; only an interruption ends the command.
    if (error instanceof BankError && error.code !== "CANCELED") return { ...branch, status: undefined };
    throw error;
  }
}

/** What a branch says of itself, and of its link what only the other end knows. */
function joined(own: BranchStatus | undefined, listed: BranchStatus | undefined): BranchStatus | undefined {
  if (own === undefined || listed === undefined) return own;
  const { follows = listed.follows, connectedSinceMs = listed.connectedSinceMs } = own;
  return { ...own, follows, connectedSinceMs };
}

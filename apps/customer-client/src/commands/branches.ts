import { type BankClient, BankError, type Branch } from "@bank/client";
import type { Command } from "commander";
import type { CommandContext, Report } from "../command-context.ts";
import { branchDocument, readDocument } from "../documents.ts";
import { printable } from "../printable.ts";
import { type Column, table } from "../table.ts";
import { defineCommand, type Run } from "./define.ts";
import { addReadOptions, type ReadArguments, reader } from "./read-options.ts";

interface BranchesArguments extends ReadArguments {
  readonly status?: boolean;
}

/** `bank branches` */
export function addBranchesCommand(program: Command, run: Run): void {
  defineCommand(
    program,
    run,
    {
      usage: "branches",
      description: "List the branches of the bank and where they listen.",
      examples: [
        ["branches", ""],
        ["branches --status", "asks each of them how current it and its history are"],
      ],
    },
    branches,
    (command) =>
      addReadOptions(command).option("--status", "ask each branch for its position, its link and its digest"),
  );
}

async function branches(context: CommandContext, _: readonly string[], given: BranchesArguments): Promise<Report> {
  const { client, options } = await reader(context, given);
  const list = await client.branches(options());
  const shown =
    given.status === true
      ? await Promise.all(list.branches.map((each) => asked(context, client, each)))
      : list.branches;
  return {
    document: { branches: shown.map(branchDocument), ...readDocument(list, client.session) },
    text: table(given.status === true ? [...COLUMNS, ...STATUS_COLUMNS] : COLUMNS, shown),
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
    return { ...branch, status: itself.status };
  } catch (error) {
    // Which branches do not answer is what was asked for; only an interruption ends the command.
    if (error instanceof BankError && error.code !== "CANCELED") return { ...branch, status: undefined };
    throw error;
  }
}

const COLUMNS: readonly Column<Branch>[] = [
  { title: "BRANCH", align: "right", cell: ({ number }) => String(number) },
  { title: "ADDRESS", cell: ({ address }) => printable(address ?? "-") },
  { title: "NAME", cell: ({ name }) => printable(name) },
];

const STATUS_COLUMNS: readonly Column<Branch>[] = [
  {
    title: "POSITION",
    align: "right",
    cell: ({ status }) => (status === undefined ? "-" : String(status.appliedPosition)),
  },
  {
    title: "HISTORY",
    align: "right",
    cell: ({ status }) => (status?.historyPosition === undefined ? "-" : String(status.historyPosition)),
  },
  { title: "LINK", cell: ({ status }) => (status === undefined ? "no answer" : status.connected ? "up" : "down") },
  { title: "DIGEST", cell: ({ status }) => printable(status?.digest ?? "-") },
];

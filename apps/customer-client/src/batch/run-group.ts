import { type AskedPropagation, BankError, type GroupCommand } from "@bank/client";
import { GROUP_ITEMS_MAX } from "@bank/core";
import type { CommandContext, Report } from "../command-context.ts";
import { exitCodeOf } from "../exit-code.ts";
import { errorDocument } from "../failure-report.ts";
import { printable } from "../printable.ts";
import { doneReport } from "../results/done-report.ts";
import { UsageError } from "../usage-error.ts";
import { grouped } from "./batch-report.ts";
import { refuseIfLines } from "./other-way.ts";
import type { BatchLine } from "./read-batch.ts";
import { batchRequestId } from "./request-id.ts";

interface CheckedGroup {
  readonly file: string;
  readonly batchId: string;
  /** Whether the user chose it; else the request id names the group. */
  readonly batchIdGiven: boolean;
  readonly lines: readonly BatchLine[];
  readonly dryRun: boolean;
  readonly propagation: AskedPropagation | undefined;
}

/** Carries out all lines of a batch, or none. */
export async function runGroup(context: CommandContext, group: CheckedGroup): Promise<Report> {
  const { batchId, batchIdGiven, lines, dryRun, propagation } = group;
  const items = lines.map((line) => itemOf(line, group.file));
  if (items.length > GROUP_ITEMS_MAX)
    throw new UsageError(
      `--atomic carries out at most ${GROUP_ITEMS_MAX} lines, and ${JSON.stringify(group.file)} has ${grouped(items.length)}.`,
      { file: group.file },
    );
  if (batchIdGiven && !context.settings.requestIdGiven) context.requestId = batchRequestId(batchId, 0);
  const client = await context.client();
  if (batchIdGiven) await refuseIfLines(context, client, batchId, lines);
  try {
    const done = await client.executeGroup(items, { ...context.mutation(), propagation, validateOnly: dryRun });
    return doneReport(client, done, { kind: "group", group: done.group });
  } catch (error) {
    if (!(error instanceof BankError) || error.item === undefined) throw error;
    return rejectedReport(error, lines[error.item - 1]?.line ?? error.item);
  }
}

/** The report of a group of which one line cannot be done. */
function rejectedReport(error: BankError, line: number): Report {
  return {
    exitCode: exitCodeOf(error),
    document: { ...errorDocument(error), line },
    text: `bank: line ${line}: ${printable(error.message)}\n      Nothing of the batch was done.\n`,
  };
}

/** Throws: `UsageError` for what cannot be a part of a group. */
function itemOf({ line, command }: BatchLine, file: string): GroupCommand {
  const place = { file, line: String(line) };
  if (command.kind === "group")
    throw new UsageError(`Line ${line} of ${JSON.stringify(file)}: a group cannot be a part of --atomic.`, place);
  const { requestId, validateOnly: _, ...item } = command;
  if (requestId !== undefined)
    throw new UsageError(
      `Line ${line} of ${JSON.stringify(file)}: with --atomic the lines have no "request_id" of their own.`,
      place,
    );
  return item;
}

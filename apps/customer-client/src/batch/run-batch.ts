import { randomUUID } from "node:crypto";
import type { AskedPropagation, BatchCommand } from "@bank/client";
import type { CommandContext, Report } from "../command-context.ts";
import type { BatchArguments } from "../commands/batch.ts";
import { propagationOf } from "../commands/change-options.ts";
import type { ExitCode } from "../exit-code.ts";
import { decimalsOf } from "../money-text.ts";
import { UsageError } from "../usage-error.ts";
import { batchText } from "./batch-text.ts";
import { BATCH_ID_LENGTH_MAX, PROBLEMS_SHOWN_MAX } from "./limits.ts";
import { refuseIfGroup } from "./other-way.ts";
import { type BatchLine, readBatch } from "./read-batch.ts";
import { batchRequestId } from "./request-id.ts";
import { runGroup } from "./run-group.ts";
import { runLines } from "./run-lines.ts";
import type { SentLine } from "./send-batch.ts";

/** A batch that was read and found in order. */
export interface CheckedBatch {
  /** As the user named it. */
  readonly file: string;
  readonly batchId: string;
  readonly lines: readonly SentLine[];
  readonly dryRun: boolean;
  /** How far each line should spread; undefined for no further than the bank. */
  readonly propagation: AskedPropagation | undefined;
  /** Whether to tell of every line. */
  readonly verbose: boolean;
}

/** Reads a batch file, checks all of it, and carries it out. */
export async function runBatch(
  context: CommandContext,
  file: string,
  given: BatchArguments,
): Promise<Report | ExitCode> {
  const { dryRun = false, atomic = false, verbose = false } = given;
  checkOptions(context, file, given);
  const propagation = propagationOf(given);
  const currency = given.currency?.toUpperCase();
  if (currency !== undefined) decimalsOf(currency);
  const { lines, problems } = readBatch(await batchText(file, context.io), currency);
  const [first] = problems;
  if (first !== undefined)
    throw new UsageError(
      `Line ${first.line} of ${JSON.stringify(file)}: ${first.problem}`,
      { file, line: String(first.line), problems: String(problems.length) },
      [
        ...problems.slice(1, PROBLEMS_SHOWN_MAX).map(({ line, problem }) => `line ${line}: ${problem}`),
        ...after(problems.length),
      ],
      { problems: problems.map(({ line, problem }) => ({ line, problem })) },
    );
  if (lines.length === 0) throw new UsageError(`${JSON.stringify(file)} holds no commands.`, { file });
  const batchId = given.batchId ?? randomUUID();
  if (atomic) {
    const batchIdGiven = given.batchId !== undefined;
    return runGroup(context, { file, batchId, batchIdGiven, lines, dryRun, propagation });
  }
  const sent = lines.map((line) => withRequestId(line, batchId, dryRun));
  if (given.batchId !== undefined) await refuseIfGroup(context, await context.client(), batchId);
  return runLines(context, { file, batchId, lines: sent, dryRun, propagation, verbose });
}

function after(problems: number): string[] {
  const rest = problems - PROBLEMS_SHOWN_MAX;
  return [...(rest > 0 ? [`and ${rest} more lines`] : []), "Nothing was sent."];
}

function checkOptions(context: CommandContext, file: string, { batchId, atomic }: BatchArguments): void {
  if (file === "-" && context.shell !== undefined)
    throw new UsageError("In a shell the standard input is the shell's: name a file.", { file });
  if (atomic !== true && context.settings.requestIdGiven)
    throw new UsageError(
      "--request-id names one change: a batch has --batch-id, from which each line gets an id of its own.",
    );
  if (batchId !== undefined && (batchId.length > BATCH_ID_LENGTH_MAX || !/^[\p{L}\p{N}\p{P}\p{S} ]+$/u.test(batchId)))
    throw new UsageError(`--batch-id is 1 to ${BATCH_ID_LENGTH_MAX} letters, digits and signs on one line.`, {
      batch_id: batchId,
    });
}

function withRequestId(line: BatchLine, batchId: string, validateOnly: boolean): SentLine {
  const requestId = line.command.requestId ?? batchRequestId(batchId, line.line);
  const command: BatchCommand & { readonly requestId: string } = { ...line.command, requestId, validateOnly };
  return { ...line, command };
}

import type { BankError, BatchResult } from "@bank/client";
import { type JsonObject, propagationDocument } from "../documents.ts";
import { EXIT, type ExitCode, exitCodeOf } from "../exit-code.ts";
import { errorDocument } from "../failure-report.ts";
import { printable } from "../printable.ts";
import { resultDocument } from "../results/result-document.ts";
import { resultSentence } from "../results/result-sentence.ts";
import { pairs } from "../table.ts";

/** What became of the lines of a batch so far. */
export class BatchCounts {
  done = 0;
  /** Done by an earlier run under the same request ids. */
  doneBefore = 0;
  rejected = 0;
  /** Sent, and not known what became of them, or never taken. */
  unanswered = 0;

  add(result: BatchResult): void {
    if (result.ok && result.replayed) this.doneBefore++;
    else if (result.ok) this.done++;
    else if (isUnanswered(result.error)) this.unanswered++;
    else this.rejected++;
  }

  get sent(): number {
    return this.done + this.doneBefore + this.rejected + this.unanswered;
  }

  /** Whoever has no answer must ask again, which counts more than a no. */
  get exitCode(): ExitCode {
    if (this.unanswered > 0) return EXIT.NO_ANSWER;
    return this.rejected > 0 ? EXIT.REJECTED : EXIT.DONE;
  }
}

/** Whether the bank gave no answer that stands: the same line again may get another. */
export function isUnanswered(error: BankError): boolean {
  return exitCodeOf(error) === EXIT.NO_ANSWER;
}

/** A line of `--json`. */
export function resultLine(line: number, result: BatchResult): JsonObject {
  const { ok, requestId } = result;
  const place = { line, ok, request_id: requestId };
  if (!result.ok) return { ...place, ...errorDocument(result.error) };
  const { replayed, preview, propagation } = result;
  const spread = propagation === undefined ? {} : { propagation: propagationDocument(propagation) };
  return { ...place, replayed, dry_run: preview, ...resultDocument(result), ...spread };
}

/** A line for people; nothing of what went well unless all lines are asked for. */
function resultText(line: number, result: BatchResult, all: boolean): string {
  if (result.ok) {
    const before = result.replayed ? " (done before)" : "";
    return all ? `line ${line}: ${resultSentence(result)}${before}\n` : "";
  }
  const { error } = result;
  const item = error.item === undefined ? "" : ` item ${error.item}:`;
  const state = isUnanswered(error) ? "not known" : "rejected";
  return `line ${line}: ${state}:${item} ${printable(error.message)}\n`;
}

/** The lines of one call for people. Lines in a row that got no answer for one and the same reason are told as one. */
export function resultsText(lines: readonly number[], results: readonly BatchResult[], all: boolean): string {
  let text = "";
  for (let i = 0; i < results.length; ) {
    const result = results[i] as BatchResult;
    let end = i + 1;
    while (end < results.length && isSameSilence(result, results[end] as BatchResult)) end++;
    const [first, last] = [lines[i] as number, lines[end - 1] as number];
    text +=
      end - i > 1 && !result.ok
        ? `lines ${first} to ${last}: not known: ${printable(result.error.message)}\n`
        : resultText(first, result, all);
    i = end;
  }
  return text;
}

function isSameSilence(a: BatchResult, b: BatchResult): boolean {
  return !a.ok && !b.ok && isUnanswered(a.error) && isUnanswered(b.error) && a.error.message === b.error.message;
}

export interface BatchEnd {
  readonly batchId: string;
  readonly counts: BatchCounts;
  readonly lines: number;
  readonly dryRun: boolean;
  /** What the batch's session has seen; undefined for nothing. */
  readonly session: string | undefined;
}

/** The last line of `--json`. */
export function endDocument({ batchId, counts, lines, dryRun, session }: BatchEnd): JsonObject {
  return {
    ok: counts.exitCode === EXIT.DONE && counts.sent === lines,
    batch_id: batchId,
    dry_run: dryRun,
    lines,
    done: counts.done,
    done_before: counts.doneBefore,
    rejected: counts.rejected,
    not_known: counts.unanswered,
    not_sent: lines - counts.sent,
    session,
  };
}

/** The end of the report for people. */
export function endText({ counts, lines, dryRun }: BatchEnd): string {
  return pairs({
    [dryRun ? "would be done" : "done"]: grouped(counts.done),
    "done before": some(counts.doneBefore),
    rejected: some(counts.rejected),
    "not known": some(counts.unanswered),
    "not sent": some(lines - counts.sent),
  });
}

function some(count: number): string | undefined {
  return count === 0 ? undefined : grouped(count);
}

/** `12,345` */
export function grouped(count: number): string {
  return String(count).replace(/\B(?=(?:[0-9]{3})+$)/g, ",");
}

import type { BatchResult } from "@bank/client";
import { type CliIo, OutputClosedError, write } from "../cli-io.ts";
import type { CommandContext } from "../command-context.ts";
import { type ExitCode, exitCodeOfSignal } from "../exit-code.ts";
import { printable } from "../printable.ts";
import { propagationWarning } from "../results/propagation-text.ts";
import { quoteWords } from "../shell/split-words.ts";
import { BatchCounts, endDocument, endText, grouped, resultLine, resultsText } from "./batch-report.ts";
import type { CheckedBatch } from "./run-batch.ts";
import { type CallResults, sendBatch } from "./send-batch.ts";

/** Sends the lines of a batch and tells what became of them as it goes. Gives the exit code. */
export async function runLines(context: CommandContext, batch: CheckedBatch): Promise<ExitCode> {
  const { io, settings, signal } = context;
  const { batchId, lines, dryRun, propagation } = batch;
  const client = await context.client();
  const counts = new BatchCounts();
  const output = new BatchOutput(context, batch);
  await output.begin();
  // Each call has the whole time: nobody can say beforehand how many there are.
  for await (const part of sendBatch(client, lines, { signal, timeoutMs: settings.timeoutMs, propagation })) {
    for (const result of part.results) counts.add(result);
    await output.told(part, counts.sent);
    // Without an answer to these lines, those behind them would overtake them.
    if (counts.unanswered > 0 || signal.aborted) break;
  }
  await output.end({ batchId, counts, lines: lines.length, dryRun, session: client.session });
  const { signal: raised } = io.interrupts;
  const isCut = signal.aborted && (counts.unanswered > 0 || counts.sent < lines.length);
  return isCut && raised !== undefined ? exitCodeOfSignal(raised) : counts.exitCode;
}

/** Where the report of a batch goes. When nobody reads it any more, the batch goes on without. */
class BatchOutput {
  private readonly context: CommandContext;
  private readonly batch: CheckedBatch;
  private readonly io: CliIo;
  private readonly json: boolean;
  private closed = false;
  private readonly showsProgress: boolean;

  constructor(context: CommandContext, batch: CheckedBatch) {
    this.context = context;
    this.batch = batch;
    this.io = context.io;
    this.json = context.settings.json;
    this.showsProgress = !this.json && this.io.stderr.isTTY === true;
  }

  async begin(): Promise<void> {
    const { batchId, lines, file, dryRun } = this.batch;
    if (this.json) return;
    const dry = dryRun ? "Dry run, each line by itself: nothing is done.\n" : "";
    await this.write(`${dry}Batch ${printable(batchId)}: ${commandsText(lines.length)} of ${fileText(file)}.\n`);
  }

  async told({ lines, results }: CallResults, sent: number): Promise<void> {
    const { verbose, lines: all } = this.batch;
    const numbers = lines.map(({ line }) => line);
    const document = (result: BatchResult, i: number) => JSON.stringify(resultLine(numbers[i] as number, result));
    const text = this.json
      ? results.map((result, i) => `${document(result, i)}\n`).join("")
      : resultsText(numbers, results, verbose);
    this.progress("");
    await this.write(text);
    await this.warn(results);
    if (sent < all.length) this.progress(`bank: ${grouped(sent)} of ${grouped(all.length)} …`);
  }

  async end(end: Parameters<typeof endDocument>[0]): Promise<void> {
    this.progress("");
    if (this.json) {
      await this.write(`${JSON.stringify(endDocument(end))}\n`);
      return;
    }
    await this.write(endText(end));
    const { counts, lines } = end;
    if (counts.unanswered > 0 || counts.sent < lines) await this.advise();
  }

  /** All lines of a call have spread as far as its last one. */
  private async warn(results: readonly BatchResult[]): Promise<void> {
    const told = results.find((result) => result.ok && result.propagation !== undefined);
    const warning = told?.ok === true ? propagationWarning(told.propagation) : undefined;
    if (warning === undefined) return;
    try {
      await write(this.io.stderr, warning);
    } catch (error) {
      // Nobody reads it; what was done is done.
      if (!(error instanceof OutputClosedError)) throw error;
    }
  }

  /** How to go on. Without the batch's name, what was done would be done again. */
  private async advise(): Promise<void> {
    const { words, shell } = this.context;
    const { batchId } = this.batch;
    const again = words.some((word) => /^--batch-id(=|$)/.test(word)) ? words : [...words, "--batch-id", batchId];
    const prefix = shell === undefined ? "bank " : "";
    await this.write(
      `The same command with its batch id goes on, and does nothing twice:\n  ${prefix}${printable(quoteWords(again))}\n`,
    );
  }

  private async write(text: string): Promise<void> {
    if (this.closed || text === "") return;
    try {
      await write(this.io.stdout, text);
    } catch (error) {
      if (!(error instanceof OutputClosedError)) throw error;
      this.closed = true;
      this.context.shell?.leave();
    }
  }

  /** The one line of a terminal that tells how far it is; empty takes it away. */
  private progress(text: string): void {
    if (!this.showsProgress) return;
    // If this line cannot be written, nothing is lost.
    this.io.stderr.write(`\r\u001b[K${text}`, () => undefined);
  }
}

function commandsText(count: number): string {
  return count === 1 ? "1 line" : `${grouped(count)} lines`;
}

function fileText(file: string): string {
  return file === "-" ? "the standard input" : printable(file);
}

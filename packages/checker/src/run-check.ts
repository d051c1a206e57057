import { type CheckOptions, checkHistory } from "./check-history.ts";
import { HistoryFormatError, readHistoryStream } from "./format/history-reader.ts";
import { renderReport, reportJson } from "./render-report.ts";

/** Options of the command. */
export interface RunCheckOptions extends CheckOptions {
  /** Prints the report as one line of JSON. Default: no. */
  readonly json?: boolean | undefined;
}

/**
 * The command that checks a history: reads it, checks it, prints the report a line at a time.
 *
 * @param lines of the history, such as those of a file, without their ends.
 * @returns the exit code: 0 for a history without violations, 1 for one with some, 2 for one that cannot be read, 3 where
 * something was left undecided.
 */
export async function runCheck(
  lines: AsyncIterable<string>,
  print: (line: string) => void,
  options: RunCheckOptions = {},
): Promise<0 | 1 | 2 | 3> {
  try {
    const report = checkHistory(await readHistoryStream(lines), options);
    for (const line of options.json === true ? [reportJson(report)] : renderReport(report)) print(line);
    return ({ ok: 0, violated: 1, undecided: 3 } as const)[report.verdict];
  } catch (error) {
    if (!(error instanceof HistoryFormatError)) throw error;
    print(options.json === true ? JSON.stringify({ error: error.message }) : `This is no history: ${error.message}`);
    return 2;
  }
}

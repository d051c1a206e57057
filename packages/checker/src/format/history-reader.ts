import type { History, HistoryAbout, Operation, StartAccount, WitnessRecord } from "../history.ts";
import { decodeLine } from "./decode-line.ts";
import { LineProblem } from "./fields.ts";

/** A history that cannot be read: which line, from 1, and what is wrong with it. */
export class HistoryFormatError extends Error {
  override readonly name = "HistoryFormatError";
  readonly line: number;

  constructor(line: number, problem: string) {
    super(`line ${line}: ${problem}`);
    this.line = line;
  }
}

/** Reads a history a line at a time. */
export class HistoryReader {
  private about: HistoryAbout | undefined;
  private readonly accounts: StartAccount[] = [];
  private readonly records: WitnessRecord[] = [];
  private readonly operations: Operation[] = [];
  private lines = 0;

  /** Takes the next line, without its end. Empty lines are passed over. Throws: `HistoryFormatError`. */
  line(text: string): void {
    this.lines++;
    if (text === "" || text === "\r") return;
    try {
      this.take(text);
    } catch (error) {
      if (error instanceof LineProblem) throw new HistoryFormatError(this.lines, error.message);
      throw error;
    }
  }

  /** The history, after its last line. Throws: `HistoryFormatError` where there was not even a first one. */
  end(): History {
    const { about, accounts, operations, records } = this;
    if (about === undefined)
      throw new HistoryFormatError(this.lines + 1, 'the history is empty; it begins with a line of type "history"');
    return { about, accounts, records, operations };
  }

  private take(text: string): void {
    const line = decodeLine(text);
    if (line.type === "history") {
      if (this.about !== undefined) throw new LineProblem("there is a second line of type history");
      this.about = line.about;
      return;
    }
    if (this.about === undefined) throw new LineProblem(`the first line is of type history, not ${line.type}`);
    switch (line.type) {
      case "account":
        this.accounts.push(line.account);
        break;
      case "record":
        if (!this.about.hasJournal) throw new LineProblem("there is a record, and the first line says journal: false");
        this.records.push(line.record);
        break;
      case "operation":
        this.operations.push(line.operation);
        break;
    }
  }
}

/** Reads a whole history. Throws: `HistoryFormatError`. */
export function readHistory(lines: Iterable<string>): History {
  const reader = new HistoryReader();
  for (const line of lines) reader.line(line);
  return reader.end();
}

/** Reads a whole history from a stream of lines, such as those of a file. Rejects with: `HistoryFormatError`. */
export async function readHistoryStream(lines: AsyncIterable<string>): Promise<History> {
  const reader = new HistoryReader();
  for await (const line of lines) reader.line(line);
  return reader.end();
}

/** A scenario that cannot be run for a reason that its user can mend. The command line prints `message` and exits with 2. */
export abstract class ScenarioError extends Error {
  /** The file as the user named it. */
  readonly file: string;
  /** What is wrong, without the place. */
  readonly reason: string;

  constructor(file: string, place: string, reason: string) {
    super(`${file}:${place} ${reason}`);
    this.file = file;
    this.reason = reason;
  }
}

/** The contents of an input file are not a scenario. The message is `FILE:LINE:COLUMN: reason`. */
export class ScenarioInputError extends ScenarioError {
  override readonly name = "ScenarioInputError";
  /** From 1; a line ends with LF, CR LF or CR. */
  readonly line: number;
  /** From 1, in Unicode characters; a tab is one, a byte order mark none. */
  readonly column: number;

  constructor(where: { file: string; line: number; column: number }, reason: string) {
    super(where.file, `${where.line}:${where.column}:`, reason);
    this.line = where.line;
    this.column = where.column;
  }
}

/** An input file cannot be read, or an output file cannot be written. The message is `FILE: reason`. */
export class ScenarioFileError extends ScenarioError {
  override readonly name = "ScenarioFileError";

  constructor(file: string, reason: string) {
    super(file, "", reason);
  }
}

import type { History, HistoryAbout, Operation, StartAccount, WitnessRecord } from "../history.ts";
import { encodeAbout, encodeAccount, encodeOperation, encodeRecord } from "./encode-line.ts";

/** What a history is about, as far as it is not the usual. */
export interface AboutOptions {
  /** Default: empty. */
  readonly description?: string | undefined;
  /** Default: none. */
  readonly seed?: string | undefined;
  /** Default: 0, a bank from its beginning. */
  readonly startPosition?: number | undefined;
  /** Default: true. */
  readonly hasJournal?: boolean | undefined;
  /** Default: true. */
  readonly isComplete?: boolean | undefined;
}

/** What is said of a history, with the defaults for what is left out. */
export function aboutHistory(options: AboutOptions = {}): HistoryAbout {
  return {
    description: options.description ?? "",
    seed: options.seed,
    startPosition: options.startPosition ?? 0,
    hasJournal: options.hasJournal ?? true,
    isComplete: options.isComplete ?? true,
  };
}

/**
 * Writes a history a line at a time, to wherever lines go: each call of the sink is one line, without its end. The
 * first is written at once. Lines of any type may follow in any order; only records keep that of their positions.
 */
export class HistoryWriter {
  private readonly sink: (line: string) => void;

  constructor(sink: (line: string) => void, about: AboutOptions = {}) {
    this.sink = sink;
    sink(encodeAbout(aboutHistory(about)));
  }

  account(account: StartAccount): void {
    this.sink(encodeAccount(account));
  }

  record(record: WitnessRecord): void {
    this.sink(encodeRecord(record));
  }

  operation(operation: Operation): void {
    this.sink(encodeOperation(operation));
  }
}

/** Writes a whole history. */
export function writeHistory(history: History, sink: (line: string) => void): void {
  const writer = new HistoryWriter(sink, history.about);
  for (const account of history.accounts) writer.account(account);
  for (const record of history.records) writer.record(record);
  for (const operation of history.operations) writer.operation(operation);
}

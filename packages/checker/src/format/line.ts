import type { HistoryAbout, Operation, StartAccount, WitnessRecord } from "../history.ts";

/** The version of the format that is written, and the only one that is read. */
export const FORMAT_VERSION = 1;

/** What one line of a history says. */
export type HistoryLine =
  /** Always the first, and only the first. */
  | { readonly type: "history"; readonly about: HistoryAbout }
  | { readonly type: "account"; readonly account: StartAccount }
  | { readonly type: "record"; readonly record: WitnessRecord }
  | { readonly type: "operation"; readonly operation: Operation };

/**
 * `@bank/checker`: histories of what clients of the bank saw, and the checkers that hold them against what it promises.
 * Everything exported here is public; other files are internal. No I/O, no clock: lines and times come in as arguments.
 *
 * - A history is JSON lines: what clients asked and were told, with times, and the journal as the witness of the order.
 *   `HistoryWriter` writes them, `HistoryRecorder` takes the times, `RecordTranslator` tells a journal's records,
 *   `readHistory` reads them. The format: docs/internals/checking.md.
 * - `checkHistory` checks by the order of the journal (real time, sessions, staleness, propagation, every balance) and
 *   then, with no trust in positions, looks for any order that explains all answers. What it looks for: `GUARANTEES`.
 * - `runCheck` is the same as a command.
 */
export type { Undecided } from "./black-box/check-linearizable.ts";
export { type CheckOptions, checkHistory, type Report, type Statistics } from "./check-history.ts";
export { describe } from "./describe.ts";
export type { Violation } from "./findings.ts";
export { HistoryFormatError, HistoryReader, readHistory, readHistoryStream } from "./format/history-reader.ts";
export {
  type EndRead,
  type EndWrite,
  HistoryRecorder,
  type ReadCall,
  type WriteCall,
} from "./format/history-recorder.ts";
export { type AboutOptions, aboutHistory, HistoryWriter, writeHistory } from "./format/history-writer.ts";
export { FORMAT_VERSION } from "./format/line.ts";
export { GUARANTEES, type Guarantee } from "./guarantees.ts";
export type {
  AccountLife,
  Floor,
  History,
  HistoryAbout,
  Movement,
  NotAppliedOutcome,
  Operation,
  OtherAction,
  PropagationAsked,
  PropagationReached,
  ReadConsistency,
  ReadOperation,
  ReadOutcome,
  RejectedOutcome,
  StartAccount,
  UnknownOutcome,
  WitnessKind,
  WitnessRecord,
  WriteAction,
  WriteOperation,
  WriteOutcome,
} from "./history.ts";
export { isRead } from "./history.ts";
export { renderReport, reportJson } from "./render-report.ts";
export { type RunCheckOptions, runCheck } from "./run-check.ts";
export { RecordTranslator, requestName } from "./translate-records.ts";

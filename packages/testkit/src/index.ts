// @bank/testkit: what tests of several packages share. Private; only tests import it, and it imports no test runner.

export { type BankProcess, type BankProcessOptions, startBankProcess } from "./bank-process.ts";
export { type BranchProcess, type BranchProcessOptions, startBranchProcess } from "./branch-process.ts";
export { type Ran, runHere } from "./command-line.ts";
export {
  type CutKind,
  type Direction,
  type Ending,
  FaultProxy,
  type FaultProxyOptions,
  type ProxyCounts,
} from "./fault-proxy.ts";
export { followJournal } from "./followed-journal.ts";
export { type HeldAppend, HeldStore } from "./held-store.ts";
export { type Attempt, answerOf, type BalanceRead, checkHistory, History, type Told } from "./history.ts";
export { LeasedStore } from "./leased-store.ts";
export { LinkBrokenError, LocalLink, type LocalResult } from "./local-link.ts";
export { ManualPlatform, sha256 } from "./manual-platform.ts";
export { type NaiveAnswer, NaiveBank, type NaiveMoment } from "./naive-bank.ts";
export {
  type NaiveBatch,
  type NaiveFilter,
  NaiveHistory,
  type NaiveList,
  type NaiveTransaction,
} from "./naive-history.ts";
export {
  type Fault,
  Nemesis,
  type NemesisClock,
  type NemesisEvent,
  type NemesisOptions,
  type PlannedFault,
  type RangeMs,
} from "./nemesis.ts";
export { Random, seeds, withSeed } from "./random.ts";
export { type LogLine, RecordingLog } from "./recording-log.ts";
export { deposit, numberedId, openAccount, randomId, request, transfer, withdraw } from "./requests.ts";
export type { RestartableProcess } from "./restartable-process.ts";
export { consistency, ServerClient } from "./server-client.ts";
export { type Ended, ServerProcess, type ServerProcessOptions } from "./server-process.ts";
export { driven, rest, turn, until, type Watched, watch } from "./waiting.ts";
export { type JournalRecord, readWholeJournal, type WholeJournal } from "./whole-journal.ts";

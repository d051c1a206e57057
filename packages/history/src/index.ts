/**
 * `@bank/history`: the transactions of each account and its balances of the past, from an SQLite projection that is
 * built from the journal beside the write path. Everything exported here is public; other files are internal.
 */
export { History, type HistoryOptions } from "./history.ts";
export type { HistoryJournal, JournalBatch } from "./history-journal.ts";
export type {
  AccountEntry,
  HistoryPage,
  ListFilter,
  ListQuery,
  ProjectedBalance,
  ProjectedTransaction,
} from "./queries.ts";

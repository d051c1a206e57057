/**
 * `@bank/core`: the ledger as a pure state machine. Everything exported here is public; files that are not named here
 * are internal. No I/O, no clock, no randomness: they come in as arguments.
 */
export {
  ACCOUNT_STATE_WORDS,
  ACCOUNT_TYPE_WORDS,
  AccountState,
  AccountType,
  type AccountView,
  type CustomerAccountType,
  type InternalAccountType,
  internalAccountName,
  isAccountState,
  isAccountType,
  isCustomerType,
  type Metadata,
  numberOfAlias,
  parseFeesAccountName,
} from "./account.ts";
export { assert, InvariantError } from "./assert.ts";
export { BRANCH_STATE_WORDS, BranchState, type DurabilityMember, isBranchState } from "./branch.ts";
export { checkCommand } from "./check-command.ts";
export { checkOrders, ORDER_VIOLATIONS_MAX } from "./check-orders.ts";
export * from "./command.ts";
export { CANCELLED_HASH, type CommandHash, hashCommand } from "./command-hash.ts";
export { currencyCodes, currencyDecimals } from "./currency.ts";
export { EPOCHS_PER_LINE, isPlausibleEpoch, nextLine } from "./epoch.ts";
export { HoldState, type HoldView, isHoldState, remainingOf } from "./hold.ts";
export {
  type AccountIndex,
  type BranchNumber,
  bytesEqual,
  type CurrencyIndex,
  formatRequestId,
  type Position,
  parseRequestId,
  type RequestId,
  requestIdFromBytes,
  toHex,
} from "./identifiers.ts";
export type { AccountColumns, AccountRows } from "./ledger/account-columns.ts";
export { apply, beginBatch, totals, unapply } from "./ledger/apply.ts";
export { applyAll, type Mark, mark, rollback } from "./ledger/apply-all.ts";
export { decide, dueHolds, originalsOf, recordsMax } from "./ledger/decide.ts";
export type { RecordLookup } from "./ledger/decision.ts";
export type {
  AccountDetails,
  BranchEntry,
  CurrencyEntry,
  DurabilityEntry,
  EpochEntry,
  StateRootEntry,
} from "./ledger/entries.ts";
export { OrderExecutor } from "./ledger/execute-order.ts";
export type { HoldColumns } from "./ledger/hold-table.ts";
export { Ledger } from "./ledger/ledger.ts";
export { preview } from "./ledger/preview.ts";
export { RequestHasher } from "./ledger/request-hasher.ts";
export type { RequestColumns, RequestEntry } from "./ledger/request-table.ts";
export * from "./limits.ts";
export { type AmountProblem, fitsBalance, formatAmount, type Money, parseAmount } from "./money.ts";
export { type MovementOrders, requestOfOrder } from "./movement-orders.ts";
export { OPERATIONS } from "./operations.ts";
export { OrderHasher } from "./order-hasher.ts";
export { formatRate, parseRate } from "./rate.ts";
export {
  describe,
  type FailureOutcome,
  type FieldViolation,
  isRejectionReason,
  REFUSALS,
  REJECTIONS,
  type Reason,
  type Refusal,
  RefusalError,
  type RefusalOptions,
  type RefusalReason,
  type RejectionReason,
  rejectionByNumber,
  STATUS_NUMBERS,
  type StatusName,
  statusOf,
} from "./reasons.ts";
export * from "./record.ts";
export { type Actor, RecordList, type Records } from "./record-list.ts";
export { idOfWords, writeIdWords } from "./request-id-words.ts";
export {
  checkSession,
  invalidSession,
  mergeSessions,
  type SeenPosition,
  type Session,
  type SessionCheck,
  sessionAt,
} from "./session.ts";
export { formatTime } from "./time-text.ts";

/**
 * `@bank/core`: the ledger as a pure state machine. Everything exported here is public; files that are not named here
 * are internal. No I/O, no clock, no randomness: they come in as arguments.
 */
export {
  AccountType,
  type AccountView,
  type CustomerAccountType,
  cashAccountName,
  isAccountType,
  isCustomerType,
} from "./account.ts";
export { assert, InvariantError } from "./assert.ts";
export { checkCommand } from "./check-command.ts";
export {
  ANONYMOUS_PRINCIPAL,
  type Command,
  type Deposit,
  type OpenAccount,
  type RegisterBranch,
  type Request,
  type Transfer,
  type Withdraw,
} from "./command.ts";
export { type CommandHash, hashCommand } from "./command-hash.ts";
export { currencyCodes, currencyDecimals } from "./currency.ts";
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
export { apply, beginBatch, type Mark, mark, rollback, totals, unapply } from "./ledger/apply.ts";
export { decide } from "./ledger/decide.ts";
export { type BranchEntry, type CurrencyEntry, type EpochEntry, Ledger, type StateRootEntry } from "./ledger/ledger.ts";
export type { RequestEntry } from "./ledger/request-table.ts";
export * from "./limits.ts";
export { type AmountProblem, fitsBalance, formatAmount, type Money, parseAmount } from "./money.ts";
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
export {
  type AccountOpenedRecord,
  type BranchRegisteredRecord,
  type CurrencyDefinedRecord,
  type EpochBegunRecord,
  isMovement,
  type LedgerRecord,
  type MovementRecord,
  RecordKind,
  type RejectedRecord,
  type Rejection,
  type RequestKey,
  type StateRootRecord,
  SYSTEM_PRINCIPAL,
} from "./record.ts";
export {
  checkSession,
  invalidSession,
  mergeSessions,
  type SeenPosition,
  type Session,
  type SessionCheck,
  sessionAt,
} from "./session.ts";

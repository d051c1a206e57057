/**
 * The catalogue of everything that can be said instead of yes. One entry gives the status, the sentence and its
 * variable parts; `rpc` alone turns an entry into an error on the wire.
 */

/** The gRPC statuses in use, with their numbers. */
export const STATUS_NUMBERS = {
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
} as const;
export type StatusName = keyof typeof STATUS_NUMBERS;

interface ReasonEntry {
  readonly status: StatusName;
  /** Sentence for people; `{name}` stands for a variable part. */
  readonly message: string;
  /** Names of the variable parts, ascending. */
  readonly metadata: readonly string[];
}

interface RejectionEntry extends ReasonEntry {
  /** Stands in the journal, for ever. */
  readonly number: number;
}

/**
 * Decided on the state, journaled, and the answer to their request id for ever. In which order an operation checks its
 * own, `OPERATIONS` says.
 */
export const REJECTIONS = {
  BRANCH_NOT_FOUND: {
    number: 1,
    status: "NOT_FOUND",
    message: "There is no branch {branch}. `bank branches` lists those there are.",
    metadata: ["branch"],
  },
  ACCOUNT_NOT_FOUND: {
    number: 2,
    status: "NOT_FOUND",
    message: "There is no account {account}.",
    metadata: ["account"],
  },
  SAME_ACCOUNT: {
    number: 3,
    status: "INVALID_ARGUMENT",
    message: "A transfer needs two accounts; account {account} was named twice.",
    metadata: ["account"],
  },
  CURRENCY_MISMATCH: {
    number: 4,
    status: "FAILED_PRECONDITION",
    message: "Account {account} holds {account_currency}, and the amount is in {amount_currency}.",
    metadata: ["account", "account_currency", "amount_currency"],
  },
  INSUFFICIENT_FUNDS: {
    number: 5,
    status: "FAILED_PRECONDITION",
    message: "Account {account} has {available} {currency} to spend, and {requested} {currency} were asked for.",
    metadata: ["account", "available", "currency", "requested"],
  },
  BALANCE_LIMIT_EXCEEDED: {
    number: 6,
    status: "FAILED_PRECONDITION",
    message: "The balance of account {account} would leave the range that the ledger can hold.",
    metadata: ["account"],
  },
  ACCOUNT_LIMIT_EXCEEDED: {
    number: 7,
    status: "RESOURCE_EXHAUSTED",
    message: "The ledger holds {accounts} accounts and can hold no more.",
    metadata: ["accounts"],
  },
  TABLE_FULL: {
    number: 8,
    status: "RESOURCE_EXHAUSTED",
    message: "The ledger holds {entries} {table} and can hold no more.",
    metadata: ["entries", "table"],
  },
  ALIAS_TAKEN: {
    number: 9,
    status: "ALREADY_EXISTS",
    message: "{alias} already names another account, by its number or by its alias.",
    metadata: ["alias"],
  },
  ACCOUNT_CLOSED: {
    number: 10,
    status: "FAILED_PRECONDITION",
    message: "Account {account} is closed.",
    metadata: ["account"],
  },
  ACCOUNT_FROZEN: {
    number: 11,
    status: "FAILED_PRECONDITION",
    message: "Account {account} is frozen.",
    metadata: ["account"],
  },
  ACCOUNT_NOT_FROZEN: {
    number: 12,
    status: "FAILED_PRECONDITION",
    message: "Account {account} is not frozen.",
    metadata: ["account"],
  },
  BALANCE_NOT_ZERO: {
    number: 13,
    status: "FAILED_PRECONDITION",
    message: "Account {account} holds {posted} {currency}; only an account at zero can be closed.",
    metadata: ["account", "currency", "posted"],
  },
  HOLDS_OPEN: {
    number: 14,
    status: "FAILED_PRECONDITION",
    message: "Account {account} has open holds of {held} {currency}; only an account without any can be closed.",
    metadata: ["account", "currency", "held"],
  },
  CEILING_EXCEEDED: {
    number: 15,
    status: "FAILED_PRECONDITION",
    message:
      "Account {account} holds {posted} {currency} and may hold {ceiling} {currency} at most, and {requested} {currency} " +
      "were to come in.",
    metadata: ["account", "ceiling", "currency", "posted", "requested"],
  },
  HOLD_NOT_FOUND: {
    number: 16,
    status: "NOT_FOUND",
    message: "There is no hold {hold}.",
    metadata: ["hold"],
  },
  HOLD_ENDED: {
    number: 17,
    status: "FAILED_PRECONDITION",
    message: "Hold {hold} has ended: it is {state}.",
    metadata: ["hold", "state"],
  },
  HOLD_AMOUNT_EXCEEDED: {
    number: 18,
    status: "FAILED_PRECONDITION",
    message: "Hold {hold} has {remaining} {currency} left, and {requested} {currency} were to be captured.",
    metadata: ["currency", "hold", "remaining", "requested"],
  },
  EXPIRY_NOT_LATER: {
    number: 19,
    status: "FAILED_PRECONDITION",
    message: "A hold must end later than {earliest}; {expires_at} is not.",
    metadata: ["earliest", "expires_at"],
  },
  HOLD_NEVER_EXPIRES: {
    number: 20,
    status: "FAILED_PRECONDITION",
    message: "Hold {hold} never expires; there is nothing to extend.",
    metadata: ["hold"],
  },
  TRANSACTION_NOT_FOUND: {
    number: 21,
    status: "NOT_FOUND",
    message: "There is no transaction {transaction}.",
    metadata: ["transaction"],
  },
  NOT_REVERSIBLE: {
    number: 22,
    status: "FAILED_PRECONDITION",
    message: "Transaction {transaction} is itself a reversal and cannot be reversed.",
    metadata: ["transaction"],
  },
  ALREADY_REVERSED: {
    number: 23,
    status: "FAILED_PRECONDITION",
    message: "Transaction {transaction} was reversed before, by transaction {reversal}.",
    metadata: ["reversal", "transaction"],
  },
  NEGATIVE_BALANCE: {
    number: 24,
    status: "FAILED_PRECONDITION",
    message: "Account {account} holds {posted} {currency}: a negative balance bears no interest.",
    metadata: ["account", "currency", "posted"],
  },
  OVERDRAFT_NOT_ALLOWED: {
    number: 25,
    status: "FAILED_PRECONDITION",
    message: "Account {account} is a savings account; only a checking account can have a floor below zero.",
    metadata: ["account"],
  },
  FLOOR_ABOVE_BALANCE: {
    number: 26,
    status: "FAILED_PRECONDITION",
    message: "Account {account} has {available} {currency} available, which is below the floor of {floor} {currency}.",
    metadata: ["account", "available", "currency", "floor"],
  },
  CEILING_BELOW_BALANCE: {
    number: 27,
    status: "FAILED_PRECONDITION",
    message: "Account {account} holds {posted} {currency}, which is above the ceiling of {ceiling} {currency}.",
    metadata: ["account", "ceiling", "currency", "posted"],
  },
  REQUEST_CANCELLED: {
    number: 28,
    status: "ABORTED",
    message: "Request {request_id} was cancelled before it was carried out, and never will be.",
    metadata: ["request_id"],
  },
  BRANCH_RETIRED: {
    number: 29,
    status: "FAILED_PRECONDITION",
    message: "Branch {branch} is retired, for ever: nothing is booked there, and nothing about it changes.",
    metadata: ["branch"],
  },
  BRANCH_IS_HEAD_OFFICE: {
    number: 30,
    status: "FAILED_PRECONDITION",
    message: "Branch 0 is the head office, which is neither drained nor retired.",
    metadata: [],
  },
  BRANCH_STATE_UNCHANGED: {
    number: 31,
    status: "FAILED_PRECONDITION",
    message: "Branch {branch} is {state} already.",
    metadata: ["branch", "state"],
  },
  BRANCH_COUNTED: {
    number: 32,
    status: "FAILED_PRECONDITION",
    message: "A copy of branch {branch} counts towards durability; choose other copies before it is retired.",
    metadata: ["branch"],
  },
} as const satisfies Record<string, RejectionEntry>;
export type RejectionReason = keyof typeof REJECTIONS;

/** Said without a record: they follow from the request alone, or from the machinery, and use up no request id. */
export const REFUSALS = {
  INVALID_REQUEST: {
    status: "INVALID_ARGUMENT",
    message: "The request is malformed: {problem}.",
    metadata: ["problem"],
  },
  UNKNOWN_CURRENCY: {
    status: "INVALID_ARGUMENT",
    message: "{currency} is not an ISO 4217 currency code that this bank knows.",
    metadata: ["currency"],
  },
  INVALID_AMOUNT: {
    status: "INVALID_ARGUMENT",
    message: "An amount is at least 1 and at most 9223372036854775807 minor units; {amount} is not.",
    metadata: ["amount"],
  },
  INVALID_RATE: {
    status: "INVALID_ARGUMENT",
    message: "A rate is a percentage from 0 to 100 with at most six decimals, such as 2.5; {rate} is not.",
    metadata: ["rate"],
  },
  FORMAT_LEVEL_TOO_LOW: {
    status: "FAILED_PRECONDITION",
    message:
      "This needs format level {needed}, and the journal is at level {level}. Once all branches know the new level, " +
      "start the bank with --raise-format-level.",
    metadata: ["level", "needed"],
  },
  STALE_VERSION: {
    status: "ABORTED",
    message: "Account {account} is at version {version}, and version {expected_version} was expected. Read it again.",
    metadata: ["account", "expected_version", "version"],
  },
  GROUP_NOT_APPLIED: {
    status: "ABORTED",
    message: "Item {item} of the group was rejected, so nothing of the group was done.",
    metadata: ["item"],
  },
  REQUEST_ID_REUSED: {
    status: "ALREADY_EXISTS",
    message: "Request id {request_id} was used at position {position} for a different request.",
    metadata: ["position", "request_id"],
  },
  OVERLOADED: {
    status: "RESOURCE_EXHAUSTED",
    message: "Too many requests are waiting ({waiting}). Try again later with the same request id.",
    metadata: ["waiting"],
  },
  STORE_REFUSED: {
    status: "UNAVAILABLE",
    message: "The journal could not be written. Nothing was done. Try again with the same request id.",
    metadata: [],
  },
  STORE_FULL: {
    status: "UNAVAILABLE",
    message:
      "The bank has too little room left to write down more. Nothing was done. Try again later with the same request id.",
    metadata: [],
  },
  RECORD_DAMAGED: {
    status: "DATA_LOSS",
    message:
      "What was written down at position {position}, which the answer depends on, is damaged on the bank's disk. Its operator has " +
      "to mend that: until then this request gets no other answer, and all others do.",
    metadata: ["position"],
  },
  OUTCOME_UNKNOWN: {
    status: "UNAVAILABLE",
    message: "What became of request {request_id} is not known ({problem}). Try again with the same request id.",
    metadata: ["problem", "request_id"],
  },
  DEADLINE_EXCEEDED: {
    status: "DEADLINE_EXCEEDED",
    message: "The deadline passed while waiting for {waiting_for}.",
    metadata: ["waiting_for"],
  },
  BANK_UNREACHABLE: {
    status: "UNAVAILABLE",
    message: "Branch {branch} has no connection to the bank. LOCAL reads still work.",
    metadata: ["branch"],
  },
  NOT_READY: {
    status: "UNAVAILABLE",
    message: "This server is not ready: {problem}.",
    metadata: ["problem"],
  },
  LOSS_DETECTED: {
    status: "DATA_LOSS",
    message:
      "{witness} holds a journal up to position {witness_position} that is no part of this one, which ends at position " +
      "{position}: records are missing here. Nothing is written until an operator decides.",
    metadata: ["position", "witness", "witness_position"],
  },
  SESSION_INVALID: {
    status: "INVALID_ARGUMENT",
    message: "The session token is not one of this bank: {problem}.",
    metadata: ["problem"],
  },
  SESSION_LOST: {
    status: "FAILED_PRECONDITION",
    message:
      "The session saw position {position} of an epoch that ended at position {fork_position}: what it saw was lost.",
    metadata: ["fork_position", "position"],
  },
  READ_ACCOUNT_NOT_FOUND: {
    status: "NOT_FOUND",
    message: "There is no account {account} at position {position}.",
    metadata: ["account", "position"],
  },
  READ_BRANCH_NOT_FOUND: {
    status: "NOT_FOUND",
    message: "There is no branch {branch} at position {position}.",
    metadata: ["branch", "position"],
  },
  READ_HOLD_NOT_FOUND: {
    status: "NOT_FOUND",
    message: "There is no hold {hold} at position {position}.",
    metadata: ["hold", "position"],
  },
  READ_TRANSACTION_NOT_FOUND: {
    status: "NOT_FOUND",
    message: "There is no transaction {transaction} at position {position}.",
    metadata: ["position", "transaction"],
  },
  POSITION_IN_FUTURE: {
    status: "OUT_OF_RANGE",
    message: "Position {asked} was asked for, and the journal ends at position {position}.",
    metadata: ["asked", "position"],
  },
  TIME_IN_FUTURE: {
    status: "OUT_OF_RANGE",
    message: "The state as of {asked} was asked for, and it is {now}.",
    metadata: ["asked", "now"],
  },
  INVALID_PAGE_TOKEN: {
    status: "INVALID_ARGUMENT",
    message: "The page token is not one that this list gave: {problem}.",
    metadata: ["problem"],
  },
  JOURNAL_DIVERGED: {
    status: "FAILED_PRECONDITION",
    message: "The follower's journal is not a prefix of this one: {problem}.",
    metadata: ["problem"],
  },
  STALENESS_BOUND_EXCEEDED: {
    status: "UNAVAILABLE",
    message:
      "Branch {branch} has no connection to the bank. How old its state may be, in ms: {staleness_ms}; at most " +
      "{max_staleness_ms} were asked for. LOCAL reads still work.",
    metadata: ["branch", "max_staleness_ms", "staleness_ms"],
  },
  TOO_FEW_BRANCHES: {
    status: "UNAVAILABLE",
    message:
      "A write must be on the disks of {copies} branches before it counts, and {connected} of those that count are " +
      "connected: {missing} more must be, of {away}. Nothing was done. Try again with the same request id.",
    metadata: ["away", "connected", "copies", "missing"],
  },
  DRAINING: {
    status: "UNAVAILABLE",
    message: "Branch {branch} takes no new calls: it is {state}. Ask another branch or the bank.",
    metadata: ["branch", "state"],
  },
  FOLLOW_LOOP: {
    status: "FAILED_PRECONDITION",
    message: "Branch {branch} would follow itself, by way of {path}. Let it follow the bank, or a branch that does.",
    metadata: ["branch", "path"],
  },
  BRANCH_TAKEN: {
    status: "FAILED_PRECONDITION",
    message:
      "Branch {branch} is served by another server, which is connected to the bank; the address on record is {address}. " +
      "Stop that one, or give this one another number.",
    metadata: ["address", "branch"],
  },
  FORMAT_LEVEL_UNKNOWN: {
    status: "FAILED_PRECONDITION",
    message:
      "The journal is at format level {level}, and {follower} understands it up to level {known}. Install its newer version.",
    metadata: ["follower", "known", "level"],
  },
  SNAPSHOT_NOT_FOUND: {
    status: "NOT_FOUND",
    message: "There is no snapshot of a later position than {position} that the journal proves.",
    metadata: ["position"],
  },
  EPOCH_SUPERSEDED: {
    status: "FAILED_PRECONDITION",
    message:
      "This bank is of epoch {epoch}, and epoch {newer} has begun elsewhere: another bank has taken its place. It has " +
      "stopped for good.",
    metadata: ["epoch", "newer"],
  },
  NOT_LEADER: {
    status: "UNAVAILABLE",
    message:
      "This server is not the one that keeps the bank: {problem}. Ask {leader}. Of a change that was on its way, try again " +
      "with the same request id.",
    metadata: ["leader", "problem"],
  },
  INTERNAL: {
    status: "INTERNAL",
    message: "The server failed while it handled this request. It was logged as {incident}.",
    metadata: ["incident"],
  },
} as const satisfies Record<string, ReasonEntry>;
export type RefusalReason = keyof typeof REFUSALS;

export type Reason = RejectionReason | RefusalReason;

/** What is known about the effect of a request that failed. */
export type FailureOutcome = "REJECTED" | "NOT_APPLIED" | "OUTCOME_UNKNOWN";

/** A refusal with its variable parts. */
export interface Refusal {
  readonly reason: RefusalReason;
  readonly metadata: Readonly<Record<string, string>>;
  readonly outcome: FailureOutcome;
  /** Which item of a group it is about, from 1. */
  readonly item?: number | undefined;
  /** Of a malformed request: what is wrong with which field. */
  readonly violations?: readonly FieldViolation[] | undefined;
}

/** What is wrong with a field of a request. */
export interface FieldViolation {
  /** Path of the field, by its names in the `.proto` file: `amount.currency_code`. */
  readonly field: string;
  /** What it should be. */
  readonly description: string;
}

/** What a `RefusalError` can say besides. */
export interface RefusalOptions extends ErrorOptions {
  readonly item?: number | undefined;
  readonly violations?: readonly FieldViolation[] | undefined;
}

/**
 * Carries a refusal through code that answers by throwing. Unless it is told another outcome it says that nothing was
 * applied; whoever cannot know that, must say so.
 */
export class RefusalError extends Error {
  override readonly name = "RefusalError";
  readonly refusal: Refusal;

  constructor(
    reason: RefusalReason,
    metadata: Readonly<Record<string, string>>,
    outcome: FailureOutcome = reason === "OUTCOME_UNKNOWN" ? "OUTCOME_UNKNOWN" : "NOT_APPLIED",
    options: RefusalOptions = {},
  ) {
    const { item, violations, ...errorOptions } = options;
    super(describe(reason, metadata), errorOptions);
    this.refusal = { reason, metadata, outcome, item, violations };
  }
}

export function isRejectionReason(reason: string): reason is RejectionReason {
  return Object.hasOwn(REJECTIONS, reason);
}

/** Status of a reason. */
export function statusOf(reason: Reason): StatusName {
  return isRejectionReason(reason) ? REJECTIONS[reason].status : REFUSALS[reason].status;
}

/** The sentence of a reason with its variable parts filled in. */
export function describe(reason: Reason, metadata: Readonly<Record<string, string>>): string {
  const { message } = isRejectionReason(reason) ? REJECTIONS[reason] : REFUSALS[reason];
  return message.replace(/\{([a-z_]+)\}/g, (whole, name: string) => metadata[name] ?? whole);
}

const REASON_BY_NUMBER: ReadonlyMap<number, RejectionReason> = new Map(
  (Object.keys(REJECTIONS) as RejectionReason[]).map((reason) => [REJECTIONS[reason].number, reason]),
);

/** The rejection with this number in the journal; undefined when this program does not know it. */
export function rejectionByNumber(number: number): RejectionReason | undefined {
  return REASON_BY_NUMBER.get(number);
}

import type { Money } from "@bank/core";
import type * as sdk from "./types/index.ts";

/**
 * A customer's dealings with the bank or one of its branches, or with several of them that stand in for each other.
 *
 * Every call carries the client's session and adds to it what the answer has shown, so that each later call, at any
 * server, sees at least that: reads that are `linearizable` (the default), `session` or `bounded` keep all four session
 * guarantees (read your writes, monotonic reads, monotonic writes, writes follow reads), and so do writes; `local` reads and
 * those of the past look at no session, and add to it all the same. Only a call that begins after another's answer comes
 * after it: calls under way together are concurrent, and see each other or not.
 *
 * Every call tries again until its timeout: at once at the next server, where there is one and the failure is the
 * server's own, and with jittered backoff while what was said may pass. Retries have a budget: no more than a fifth of all
 * calls and a few, and one call at a time beyond that. A mutation keeps its request id over all tries and is carried
 * out once at the most. A try takes half of the time that is left at the most while there is another server to ask, so that
 * one that hangs cannot eat all of it. Everything rejects with `BankError`.
 *
 * Accounts are named by number, alias, or internal name (`fees/1/USD`); holds and transactions by their positions.
 * Which reasons a mutation can be rejected with, and in which order they are checked, `docs/reference/operations.md`
 * lists for each.
 */
export interface BankClient {
  /** URL of the server that calls go to at present: `http://127.0.0.1:50051`. */
  readonly server: string;
  /** URLs of all servers that calls may go to, in the order of preference. */
  readonly servers: readonly string[];
  /**
   * What this client has seen, as an opaque token; undefined before the first answer. Another client that is given it
   * sees at least the same. When the bank answers SESSION_LOST, what the session saw is gone for good: it stays lost
   * until its owner decides so and goes on with `withSession()`.
   */
  readonly session: string | undefined;

  /** Opens an account at this branch. Idempotent by `requestId`. */
  openAccount(account: sdk.NewAccount, options?: sdk.MutationOptions): Promise<sdk.AccountOpened>;
  /** Changes display name, metadata, floor or ceiling, and leaves what is not named. Idempotent by `requestId`. */
  updateAccount(
    account: string,
    changes: sdk.AccountChanges,
    options?: sdk.VersionedOptions,
  ): Promise<sdk.AccountUpdated>;
  /** Freezes an open account: no money moves on it until it is unfrozen. Idempotent by `requestId`. */
  freezeAccount(account: string, options?: sdk.VersionedOptions): Promise<sdk.AccountStateChanged>;
  /** Opens a frozen account again. Idempotent by `requestId`. */
  unfreezeAccount(account: string, options?: sdk.VersionedOptions): Promise<sdk.AccountStateChanged>;
  /** Closes an open account for good: only at zero and without open holds. Idempotent by `requestId`. */
  closeAccount(account: string, options?: sdk.VersionedOptions): Promise<sdk.AccountStateChanged>;
  /** Rejects with `BankError`: READ_ACCOUNT_NOT_FOUND. */
  getAccount(account: string, options?: sdk.ReadOptions): Promise<sdk.AccountReading>;
  /** All accounts in the order of their opening, read a page at a time; none that is opened meanwhile. */
  listAccounts(options?: sdk.ListAccountsOptions): AsyncIterable<sdk.Account>;
  /** One page of accounts; without a token, the first. Rejects with `BankError`: INVALID_PAGE_TOKEN. */
  listAccountsPage(options?: sdk.ListAccountsOptions & sdk.PageOptions): Promise<sdk.AccountPage>;
  /**
   * The balance of an account, now or, with the consistency `position` or `time`, in the past. An account that was opened
   * later than the moment asked for is READ_ACCOUNT_NOT_FOUND. Rejects with `BankError`: READ_ACCOUNT_NOT_FOUND,
   * POSITION_IN_FUTURE, TIME_IN_FUTURE.
   */
  balance(account: string, options?: sdk.ReadOptions): Promise<sdk.BalanceReading>;

  /**
   * Resolves once fewer than 32,768 movements wait. Deposits, withdrawals and transfers that are asked for while others are
   * under way are gathered into calls by themselves, each with its own answer; in the order in which they were asked for
   * within one call only. Whoever asks for them faster than they are answered, without waiting for the answers, waits for
   * this in between. At most 1,000,000 wait; beyond it: OVERLOADED.
   */
  whenRoom(): Promise<void>;
  /** Pays cash in at this branch. Idempotent by `requestId`. */
  deposit(account: string, amount: Money, options?: sdk.VersionedOptions): Promise<sdk.Booked>;
  /** Pays cash out at this branch. Idempotent by `requestId`. */
  withdraw(account: string, amount: Money, options?: sdk.VersionedOptions): Promise<sdk.Booked>;
  /**
   * Moves money between two accounts of one currency; `to` may be an account for fees, such as `fees/1/USD`. Idempotent
   * by `requestId`.
   */
  transfer(from: string, to: string, amount: Money, options?: sdk.VersionedOptions): Promise<sdk.Booked>;
  /** Moves the money of an earlier transaction, named by its position, back, once. Idempotent by `requestId`. */
  reverse(transaction: number, options?: sdk.VersionedOptions): Promise<sdk.Booked>;
  /**
   * Adds a percentage of the posted balance to it once, rounded half to even, paid by this branch. `rate` is an exact
   * decimal from 0 to 100 with at most six places: `"2.5"` adds 12.50 to 500.00. Idempotent by `requestId`.
   */
  applyInterest(account: string, rate: string, options?: sdk.VersionedOptions): Promise<sdk.InterestApplied>;

  /** Keeps money of an account back for a later capture. Never draws on its overdraft. Idempotent by `requestId`. */
  placeHold(account: string, amount: Money, options?: sdk.PlaceHoldOptions): Promise<sdk.HoldChanged>;
  /**
   * Takes held money out, all of what is left or a part: to another account, or as cash at this branch. A hold can be
   * captured several times, until nothing is left. Idempotent by `requestId`.
   */
  captureHold(hold: number, options?: sdk.CaptureHoldOptions): Promise<sdk.HoldCaptured>;
  /** Gives back what is left of a hold, and ends it. Idempotent by `requestId`. */
  releaseHold(hold: number, options?: sdk.VersionedOptions): Promise<sdk.HoldChanged>;
  /**
   * Lets a hold live longer. `expiresAtMs` is journal time in Unix milliseconds, later than it ends now. Idempotent by
   * `requestId`.
   */
  extendHold(hold: number, expiresAtMs: number, options?: sdk.VersionedOptions): Promise<sdk.HoldChanged>;
  /** One hold, open or ended. Rejects with `BankError`: READ_HOLD_NOT_FOUND. */
  getHold(hold: number, options?: sdk.ReadOptions): Promise<sdk.HoldReading>;
  /** All open holds of an account, the oldest first, read a page at a time; none that is placed meanwhile. */
  holds(account: string, options?: sdk.ListOptions): AsyncIterable<sdk.Hold>;
  /**
   * One page of open holds; without a token, the first. Rejects with `BankError`: READ_ACCOUNT_NOT_FOUND,
   * INVALID_PAGE_TOKEN.
   */
  holdsPage(account: string, options?: sdk.ListOptions & sdk.PageOptions): Promise<sdk.HoldPage>;

  /**
   * 1 to 100 commands that all happen, in order, or none. Where one of them is decided against, rejects with the
   * `BankError` of that one, which says its `item` and all `failures`. Idempotent by `requestId`.
   */
  executeGroup(commands: readonly sdk.GroupCommand[], options?: sdk.MutationOptions): Promise<sdk.GroupExecuted>;
  /**
   * Up to 10,000 commands, those in groups counted, in one call: each command and each group is done or rejected by
   * itself, in the order given. Gives one result for each and rejects only with `RangeError` for too many. Idempotent
   * by the request id of each command and group.
   */
  executeBatch(commands: readonly sdk.BatchCommand[], options?: sdk.WriteOptions): Promise<readonly sdk.BatchResult[]>;

  /** One transaction by its position. Rejects with `BankError`: READ_TRANSACTION_NOT_FOUND. */
  transaction(transaction: number, options?: sdk.ReadOptions): Promise<sdk.TransactionReading>;
  /**
   * The transactions of an account, the newest first unless asked otherwise, read a page at a time; none is lost or
   * repeated while new ones arrive, and those are left out.
   */
  transactions(account: string, options?: sdk.ListTransactionsOptions): AsyncIterable<sdk.AccountTransaction>;
  /**
   * One page of an account's transactions; without a token, the first. Rejects with `BankError`:
   * READ_ACCOUNT_NOT_FOUND, INVALID_PAGE_TOKEN.
   */
  transactionsPage(
    account: string,
    options?: sdk.ListTransactionsOptions & sdk.PageOptions,
  ): Promise<sdk.TransactionPage>;

  /**
   * What became of the mutation with this request id, also years later. `notSeen` is not final: where the request may
   * still be on its way, `cancelRequest`, or the same call with the same id, settles it.
   */
  outcome(requestId: string, options?: sdk.ReadOptions): Promise<sdk.RequestOutcome>;
  /**
   * Rules out that the mutation with this request id is ever carried out, unless it was answered before: then tells
   * that answer. So it is also the way to find out after OUTCOME_UNKNOWN. Idempotent; a cancellation whose own outcome
   * is unknown can be called again.
   */
  cancelRequest(requestId: string, options?: sdk.CallOptions): Promise<sdk.FinalOutcome>;

  /** Every branch of the bank, the head office (0) first, with what the server that answers knows of each. */
  branches(options?: sdk.ReadOptions): Promise<sdk.BranchList>;
  /** The branch that this server is, with its state. */
  thisBranch(options?: sdk.ReadOptions): Promise<sdk.BranchReading>;
  /**
   * Renames a branch, drains it (it takes no new calls of customers), brings it back to `active`, or retires it for
   * good. Idempotent by `requestId`.
   */
  updateBranch(
    number: number,
    change: sdk.BranchChange,
    options?: Omit<sdk.MutationOptions, "validateOnly">,
  ): Promise<sdk.BranchUpdated>;
  /**
   * Says on how many branches' disks a write must be, besides the bank's, before it counts, and which branches count;
   * they must be connected and lie in data folders of their own. Idempotent by `requestId`.
   */
  setDurability(
    durability: Pick<sdk.Durability, "copies" | "branches">,
    options?: Omit<sdk.MutationOptions, "validateOnly">,
  ): Promise<sdk.DurabilitySet>;

  /**
   * A client of branch `number` alone, found by its address in the bank, with this client's session and defaults. It ends with this client. Rejects with `BankError`: READ_BRANCH_NOT_FOUND, BRANCH_WITHOUT_ADDRESS.
   */
  branch(number: number, options?: sdk.ReadOptions): Promise<BankClient>;
  /**
   * A client of the same servers over the same connections, with a session of its own: that of the token, or a new one.
   * It ends with this client. Throws: `BankError` SESSION_INVALID.
   */
  withSession(token?: string): BankClient;

  /**
   * Ends all calls of this client and of those that came from it: they reject with CLIENT_CLOSED. The client that
   * `connectBank` gave also closes the connections. Idempotent.
   */
  close(): void;
}

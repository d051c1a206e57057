import type { Money } from "@bank/core";
import type {
  Account,
  AccountOpened,
  AccountPage,
  AccountReading,
  BalanceReading,
  BatchCommand,
  BatchResult,
  Booked,
  BranchList,
  BranchReading,
  CallOptions,
  ListAccountsOptions,
  MutationOptions,
  NewAccount,
  ReadOptions,
} from "./types.ts";

/**
 * A customer's dealings with one server: the bank, or one of its branches.
 *
 * Every call carries the client's session and adds to it what the answer has shown, so that each later call, at any
 * branch, sees at least that. Only a call that begins after another's answer comes after it: calls under way together
 * are concurrent, and see each other or not.
 *
 * Every call tries again, with jittered backoff, while the server cannot be reached, is overloaded or cut off, until its
 * timeout; a mutation keeps its request id over all tries and is carried out once at the most. Everything rejects with
 * `BankError`.
 */
export interface BankClient {
  /** URL of the server: `http://127.0.0.1:50051`. */
  readonly server: string;
  /**
   * What this client has seen, as an opaque token; undefined before the first answer. Another client that is given it
   * sees at least the same. When the bank answers SESSION_LOST, what the session saw is gone for good: it stays lost
   * until its owner decides so and goes on with `withSession()`.
   */
  readonly session: string | undefined;

  /** Opens an account at this branch. Idempotent by `requestId`. */
  openAccount(account: NewAccount, options?: MutationOptions): Promise<AccountOpened>;
  getAccount(account: string, options?: ReadOptions): Promise<AccountReading>;
  /** All accounts in the order of their opening, read a page at a time; none that is opened meanwhile. */
  listAccounts(options?: ListAccountsOptions): AsyncIterable<Account>;
  /** One page of accounts; without a token, the first. */
  listAccountsPage(options?: ListAccountsOptions & { readonly pageToken?: string | undefined }): Promise<AccountPage>;
  balance(account: string, options?: ReadOptions): Promise<BalanceReading>;

  /** Pays cash in at this branch. Idempotent by `requestId`. */
  deposit(account: string, amount: Money, options?: MutationOptions): Promise<Booked>;
  /** Pays cash out at this branch. Idempotent by `requestId`. */
  withdraw(account: string, amount: Money, options?: MutationOptions): Promise<Booked>;
  /** Moves money between two accounts of one currency. Idempotent by `requestId`. */
  transfer(from: string, to: string, amount: Money, options?: MutationOptions): Promise<Booked>;
  /**
   * Up to 10,000 independent commands in one call, each done or rejected by itself, in the order given. Gives one result
   * for each and rejects only with `RangeError` for too many. Idempotent by the request id of each command.
   */
  executeBatch(commands: readonly BatchCommand[], options?: CallOptions): Promise<readonly BatchResult[]>;

  /** Every branch of the bank, the head office (0) first. */
  branches(options?: ReadOptions): Promise<BranchList>;
  /** The branch that this server is, with its state. */
  thisBranch(options?: ReadOptions): Promise<BranchReading>;

  /**
   * A client of branch `number`, found by its address in the bank, with this client's session, timeout and consistency.
   * It ends with this client. Rejects with `BankError`: READ_BRANCH_NOT_FOUND, BRANCH_WITHOUT_ADDRESS.
   */
  branch(number: number, options?: ReadOptions): Promise<BankClient>;
  /**
   * A client of the same server over the same connection, with a session of its own: that of the token, or a new one.
   * It ends with this client. Throws: `BankError` SESSION_INVALID.
   */
  withSession(token?: string): BankClient;

  /**
   * Ends all calls of this client and of those that came from it: they reject with CLIENT_CLOSED. The client that
   * `connectBank` gave also closes the connections. Idempotent.
   */
  close(): void;
}

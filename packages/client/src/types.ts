import type { Money } from "@bank/core";
import type { ConsistencyMode } from "@bank/rpc";
import type { BankError } from "./bank-error.ts";

/** Options of every call. */
export interface CallOptions {
  /** How long all tries together may take, 1 to 300,000 milliseconds. Default: the client's. */
  readonly timeoutMs?: number | undefined;
  /** Ends the call: it rejects with `CANCELED`. A mutation that was under way then has an unknown outcome. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of every read. */
export interface ReadOptions extends CallOptions {
  /** How current the answer must be. Default: the client's. */
  readonly consistency?: ConsistencyMode | undefined;
}

/** Options of every mutation. */
export interface MutationOptions extends CallOptions {
  /**
   * A UUID that names this mutation for ever. Default: a new one for each call, kept over all its tries. Give the id of
   * an earlier call to find out what became of it: it is carried out once at the most.
   */
  readonly requestId?: string | undefined;
}

/** What every answer says about the state that it was taken from. */
export interface ReadInfo {
  /** Position of that state: everything up to it, nothing behind it. */
  readonly position: number;
  /** Upper bound on its age in milliseconds; undefined when the branch cannot know. */
  readonly stalenessMs: number | undefined;
}

export type AccountType = "savings" | "checking" | "cash";

export interface Account {
  /** `"1"`, `"2"`, … for customers; internal accounts have names such as `cash/1/USD`. */
  readonly number: string;
  readonly type: AccountType;
  readonly owner: string;
  readonly displayName: string;
  /** ISO 4217 code, for life. */
  readonly currency: string;
  /** The branch where it was opened; 0 is the head office. */
  readonly homeBranch: number;
  readonly balance: Money;
  /** Counts the changes to this account, from 1 for its opening. */
  readonly version: number;
  /** Journal time, Unix milliseconds. */
  readonly openedAtMs: number;
  readonly openedPosition: number;
}

export interface NewAccount {
  /** Default: savings. */
  readonly type?: "savings" | "checking" | undefined;
  /** Up to 128 bytes of UTF-8. Default: empty. */
  readonly owner?: string | undefined;
  /** Up to 128 bytes of UTF-8. Default: empty. */
  readonly displayName?: string | undefined;
  /** ISO 4217 code. Default: USD. */
  readonly currency?: string | undefined;
}

/** A committed movement of money. */
export interface Transaction {
  /** Its place in the journal, and its identity. */
  readonly position: number;
  readonly kind: "deposit" | "withdrawal" | "transfer";
  readonly debitAccount: string;
  readonly creditAccount: string;
  readonly amount: Money;
  /** The branch where it was asked for; 0 is the head office. */
  readonly branch: number;
  /** Journal time, Unix milliseconds. */
  readonly timeMs: number;
  readonly requestId: string;
}

/** What every done mutation says. */
export interface Done extends ReadInfo {
  readonly requestId: string;
  /** True when this answers a repeated request id: nothing was done again. */
  readonly replayed: boolean;
}

export interface AccountOpened extends Done {
  readonly account: Account;
}

export interface Booked extends Done {
  readonly transaction: Transaction;
}

export interface AccountReading extends ReadInfo {
  readonly account: Account;
}

export interface BalanceReading extends ReadInfo {
  readonly account: string;
  readonly balance: Money;
  /** The account's version at that state. */
  readonly version: number;
}

export interface ListAccountsOptions extends ReadOptions {
  /** Accounts a page, 1 to 1,000. Default: 100. */
  readonly pageSize?: number | undefined;
  /** Also the bank's own accounts. Default: no. */
  readonly includeInternal?: boolean | undefined;
}

export interface AccountPage extends ReadInfo {
  readonly accounts: readonly Account[];
  /** Asks for the next page; undefined on the last. */
  readonly nextPageToken: string | undefined;
}

export interface Branch {
  /** 0 is the head office: the bank server itself. */
  readonly number: number;
  /** URL where it listens; undefined where the bank does not know. */
  readonly address: string | undefined;
  readonly name: string;
  /** Only of the branch that answers, and of those beside it in its process. */
  readonly status: BranchStatus | undefined;
}

export interface BranchStatus {
  /** The position that it has applied and shows. */
  readonly appliedPosition: number;
  /** The position that it has on its own disk. */
  readonly durablePosition: number;
  /** Digest of the whole state at the applied position, in hexadecimal: equal at equal positions everywhere. */
  readonly digest: string;
  /** Whether its link to the bank is up. */
  readonly connected: boolean;
}

export interface BranchList extends ReadInfo {
  /** In the order of their numbers. */
  readonly branches: readonly Branch[];
}

export interface BranchReading extends ReadInfo {
  readonly branch: Branch;
}

/** One command of a batch. */
export type BatchCommand = { readonly requestId?: string | undefined } & (
  | { readonly kind: "deposit"; readonly account: string; readonly amount: Money }
  | { readonly kind: "withdraw"; readonly account: string; readonly amount: Money }
  | { readonly kind: "transfer"; readonly from: string; readonly to: string; readonly amount: Money }
);

/** What became of one command of a batch. */
export type BatchResult =
  | {
      readonly ok: true;
      readonly requestId: string;
      readonly transaction: Transaction;
      /** True when this answers a repeated request id: nothing was done again. */
      readonly replayed: boolean;
    }
  | { readonly ok: false; readonly requestId: string; readonly error: BankError };

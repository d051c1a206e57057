import type { Money } from "@bank/core";
import type { Done, ListOptions, Page, ReadInfo } from "./call.ts";

/** What an account is for. Customers have `savings` and `checking`; the others are the bank's own. */
export type AccountType = "savings" | "checking" | "cash" | "interest" | "fees";

/**
 * Where an account is in its life: open and frozen in turn, closed for good. The posted balance of an account that is
 * not open does not change, and no hold on it is placed or captured.
 */
export type AccountState = "open" | "frozen" | "closed";

/** Short texts by name, which a caller keeps with an account; the bank does not look into them. */
export type Metadata = Readonly<Record<string, string>>;

/** An account as it stands at one position. */
export interface Account {
  /** `"1"`, `"2"`, … for customers; internal accounts have names such as `cash/1/USD`. */
  readonly number: string;
  /** The name that its opener chose; undefined for none. Wherever an account is named, it may be named by this. */
  readonly alias: string | undefined;
  readonly type: AccountType;
  readonly state: AccountState;
  /** Empty for internal accounts. */
  readonly owner: string;
  readonly displayName: string;
  readonly metadata: Metadata;
  /** ISO 4217 code, for life. */
  readonly currency: string;
  /** The branch where it was opened; 0 is the head office. */
  readonly homeBranch: number;
  /** Posted balance: credits minus debits. */
  readonly posted: Money;
  /** What open holds keep back. */
  readonly held: Money;
  /** Posted minus held. */
  readonly available: Money;
  /** Posted minus held never goes below this; negative for an overdraft. */
  readonly floor: Money;
  /** Posted never goes above this; undefined for none. */
  readonly ceiling: Money | undefined;
  /** Counts the changes to this account, from 1 for its opening. */
  readonly version: number;
  /** Journal time, Unix milliseconds. */
  readonly openedAtMs: number;
  /** 0 in the preview of its opening. */
  readonly openedPosition: number;
}

/** What a new account is to be. */
export interface NewAccount {
  /** Default: savings. */
  readonly type?: "savings" | "checking" | undefined;
  /** Up to 128 bytes of UTF-8. Default: empty. */
  readonly owner?: string | undefined;
  /** Up to 128 bytes of UTF-8. Default: empty. */
  readonly displayName?: string | undefined;
  /** ISO 4217 code. Default: USD. */
  readonly currency?: string | undefined;
  /**
   * A name of the caller's choice, unique among the numbers and aliases of all accounts; digits become its number. 1
   * to 64 letters, digits and any of `. _ : @ + -`, beginning with a letter or digit. Default: none.
   */
  readonly alias?: string | undefined;
  /** Up to 16 entries, names of 1 to 64 characters, together up to 1,024 characters. Default: none. */
  readonly metadata?: Metadata | undefined;
  /**
   * Minor units below which posted minus held never goes: 0, or an overdraft of a checking account below 0. Default: 0.
   */
  readonly floor?: bigint | undefined;
  /** Minor units above which posted never goes, from 1. Default: none. */
  readonly ceiling?: bigint | undefined;
}

/** What is to change of an account. What is left out stays as it is. */
export interface AccountChanges {
  /** Up to 128 bytes of UTF-8. */
  readonly displayName?: string | undefined;
  /** All of the metadata: what is not in it is gone. */
  readonly metadata?: Metadata | undefined;
  /** Minor units; above 0 it is a balance that has to stay, below 0 an overdraft (checking accounts only). */
  readonly floor?: bigint | undefined;
  /** Minor units, from 1; `null` takes the ceiling away. */
  readonly ceiling?: bigint | null | undefined;
}

/** What can be changed of an account, as it is from a change on. */
export interface AccountUpdate {
  /** Number of the account. */
  readonly account: string;
  readonly displayName: string;
  readonly metadata: Metadata;
  readonly floor: Money;
  /** Undefined for none. */
  readonly ceiling: Money | undefined;
}

/** An account came to another state of its life. */
export interface AccountStateChange {
  /** Number of the account. */
  readonly account: string;
  /** Where it is in its life from here on. */
  readonly state: AccountState;
}

export interface AccountOpened extends Done {
  /** The account as it was opened; in a replayed answer too. */
  readonly account: Account;
}

export interface AccountUpdated extends Done {
  readonly update: AccountUpdate;
}

export interface AccountStateChanged extends Done {
  readonly change: AccountStateChange;
}

export interface AccountReading extends ReadInfo {
  readonly account: Account;
}

/** A balance, and the moment that it holds for. */
export interface BalanceReading extends ReadInfo {
  /** As the caller named it. */
  readonly account: string;
  /** Credits minus debits. */
  readonly posted: Money;
  /** What open holds keep back. */
  readonly held: Money;
  /** Posted minus held. */
  readonly available: Money;
  /** The account's version at that state; undefined for a balance of the past. */
  readonly version: number | undefined;
  /** The position that the balance is of: of the past where that was asked for. */
  readonly position: number;
  /** Journal time of that position, Unix milliseconds. */
  readonly timeMs: number;
  /** The position of the state that it was read from: at least `position`. */
  readonly readPosition: number;
}

export interface ListAccountsOptions extends ListOptions {
  /** Also the bank's own accounts. Default: no. */
  readonly includeInternal?: boolean | undefined;
}

export interface AccountPage extends Page {
  /** In the order of their opening. */
  readonly accounts: readonly Account[];
}

import type { Money } from "@bank/core";
import type { Done, ListOptions, Page, ReadInfo } from "./call.ts";

/** What kind of movement it is. A capture takes out money that a hold had kept back. */
export type TransactionKind = "deposit" | "withdrawal" | "transfer" | "reversal" | "interest" | "capture";

/** A committed movement of money. */
export interface Transaction {
  /** Its place in the journal, and its identity; 0 in a preview. */
  readonly position: number;
  readonly kind: TransactionKind;
  /** The account that paid. */
  readonly debitAccount: string;
  /** The account that received. */
  readonly creditAccount: string;
  /** Always positive. */
  readonly amount: Money;
  /** The branch where it was asked for; 0 is the head office. */
  readonly branch: number;
  /** Journal time, Unix milliseconds. */
  readonly timeMs: number;
  /** The request that it answers; of an item of a group, the group's. */
  readonly requestId: string;
  /** Of a reversal: the position of the transaction that it takes back. */
  readonly reverses: number | undefined;
  /** Of a capture: the position of the hold. */
  readonly hold: number | undefined;
  /**
   * The position of the transaction that took this one back. Only what is read from the history says it: undefined in
   * the answers of mutations, and while there is none.
   */
  readonly reversedBy: number | undefined;
}

export interface Booked extends Done {
  readonly transaction: Transaction;
}

/** Interest as it was applied. */
export interface Interest {
  /** Number of the account. */
  readonly account: string;
  /** The percentage, as an exact decimal: `"2.5"`. */
  readonly ratePercent: string;
  /** The posted balance that it is a percentage of. */
  readonly balance: Money;
  /** Rounded half to even; may be zero. */
  readonly amount: Money;
  /** Undefined when the interest rounds to zero: then nothing is posted. */
  readonly transaction: Transaction | undefined;
}

export interface InterestApplied extends Done {
  readonly interest: Interest;
}

export interface TransactionReading extends ReadInfo {
  readonly transaction: Transaction;
}

/** Which transactions of an account to list: those that fulfil all that is said. */
export interface TransactionFilter {
  /** Not before this moment, Unix milliseconds. */
  readonly fromTimeMs?: number | undefined;
  /** Before this moment, Unix milliseconds. */
  readonly beforeTimeMs?: number | undefined;
  /** Of one of these kinds; none means all. */
  readonly kinds?: readonly TransactionKind[] | undefined;
  /** At least so many minor units. */
  readonly amountMin?: bigint | undefined;
  /** At most so many minor units, from 1. */
  readonly amountMax?: bigint | undefined;
  /** With this account on the other side: number, alias or internal name. */
  readonly counterparty?: string | undefined;
}

export interface ListTransactionsOptions extends ListOptions, TransactionFilter {
  /** The oldest first. Default: the newest first. */
  readonly oldestFirst?: boolean | undefined;
}

/** A transaction in the history of one account. */
export interface AccountTransaction {
  readonly transaction: Transaction;
  /** What it added to the account's posted balance; negative where the account paid. */
  readonly change: Money;
  /** The posted balance after it. */
  readonly postedAfter: Money;
}

export interface TransactionPage extends Page {
  /** In the order that was asked for. */
  readonly transactions: readonly AccountTransaction[];
}

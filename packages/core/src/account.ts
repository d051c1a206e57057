import type { AccountIndex, BranchNumber, CurrencyIndex, Position } from "./identifiers.ts";

/** What an account is for. The numbers stand in the journal and in the API. */
export const AccountType = { SAVINGS: 1, CHECKING: 2, CASH: 3 } as const;
export type AccountType = (typeof AccountType)[keyof typeof AccountType];

/** Types that customers can have. */
export type CustomerAccountType = typeof AccountType.SAVINGS | typeof AccountType.CHECKING;

export function isCustomerType(type: AccountType): type is CustomerAccountType {
  return type === AccountType.SAVINGS || type === AccountType.CHECKING;
}

/** Whether a number that came from outside is a type of account. */
export function isAccountType(type: number): type is AccountType {
  return type === AccountType.SAVINGS || type === AccountType.CHECKING || type === AccountType.CASH;
}

/** Name of the account in which a branch's cash of one currency is booked. */
export function cashAccountName(branch: BranchNumber, currency: string): string {
  return `cash/${branch}/${currency}`;
}

/** One account as it stands at one position. A copy: it does not change with the ledger. */
export interface AccountView {
  readonly index: AccountIndex;
  /** 1, 2, … for customers; 0 for internal accounts. */
  readonly number: number;
  /** What people call it: the number, or the name of an internal account. */
  readonly reference: string;
  readonly type: AccountType;
  readonly owner: string;
  readonly displayName: string;
  readonly currency: string;
  readonly currencyIndex: CurrencyIndex;
  /** Decimals of the currency's minor unit, as journaled at its first use. */
  readonly decimals: number;
  readonly homeBranch: BranchNumber;
  /** Credits minus debits, in minor units. */
  readonly posted: bigint;
  /** The posted balance never goes below this. */
  readonly floor: bigint;
  /** Changes of this account so far; 1 after its opening. */
  readonly version: number;
  readonly openedPosition: Position;
  /** Journal time of the opening, Unix milliseconds. */
  readonly openedTimeMs: number;
}

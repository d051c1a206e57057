import type { AccountIndex, BranchNumber, CurrencyIndex, Position } from "./identifiers.ts";

/** What an account is for. The numbers stand in the journal and in the API. */
export const AccountType = { SAVINGS: 1, CHECKING: 2, CASH: 3, INTEREST: 4, FEES: 5 } as const;
export type AccountType = (typeof AccountType)[keyof typeof AccountType];

/** Types of the bank's own accounts: one of each for each branch and currency, opened at its first use. */
export type InternalAccountType = Exclude<AccountType, CustomerAccountType>;

/** Types that customers can have. */
export type CustomerAccountType = typeof AccountType.SAVINGS | typeof AccountType.CHECKING;

export function isCustomerType(type: AccountType): type is CustomerAccountType {
  return type === AccountType.SAVINGS || type === AccountType.CHECKING;
}

/** Whether a number that came from outside is a type of account. */
export function isAccountType(type: number): type is AccountType {
  return type >= AccountType.SAVINGS && type <= AccountType.FEES;
}

/** How views for people and programs beside the bank call the types. */
export const ACCOUNT_TYPE_WORDS = {
  [AccountType.SAVINGS]: "savings",
  [AccountType.CHECKING]: "checking",
  [AccountType.CASH]: "cash",
  [AccountType.INTEREST]: "interest",
  [AccountType.FEES]: "fees",
} as const satisfies Record<AccountType, string>;

/** Name of one of the bank's own accounts: `cash/1/USD`. No alias has a slash, so the names cannot meet. */
export function internalAccountName(type: InternalAccountType, branch: BranchNumber, currency: string): string {
  return `${ACCOUNT_TYPE_WORDS[type]}/${branch}/${currency}`;
}

/** Branch and currency of a name such as `fees/1/USD`; undefined for any other text. */
export function parseFeesAccountName(name: string): { branch: BranchNumber; currency: string } | undefined {
  if (!name.startsWith("fees/")) return undefined;
  const match = /^fees\/(0|[1-9][0-9]{0,4})\/([A-Z]{3})$/.exec(name);
  return match === null ? undefined : { branch: Number(match[1]), currency: match[2] as string };
}

/** The number that an alias of digits is, such as "123"; undefined for any other. */
export function numberOfAlias(alias: string): number | undefined {
  return /^[1-9][0-9]{0,14}$/.test(alias) ? Number(alias) : undefined;
}

/**
 * Life of a customer's account: open ⇄ frozen, open → closed. The posted balance of an account that is not open does
 * not change. The numbers stand in the journal and in the API.
 */
export const AccountState = { OPEN: 1, FROZEN: 2, CLOSED: 3 } as const;
export type AccountState = (typeof AccountState)[keyof typeof AccountState];

/** How views for people and programs beside the bank call the states. */
export const ACCOUNT_STATE_WORDS = {
  [AccountState.OPEN]: "open",
  [AccountState.FROZEN]: "frozen",
  [AccountState.CLOSED]: "closed",
} as const satisfies Record<AccountState, string>;

/** Whether a number that came from outside is a state of an account. */
export function isAccountState(state: number): state is AccountState {
  return state >= AccountState.OPEN && state <= AccountState.CLOSED;
}

/** Short texts by name, which a caller keeps with an account; the bank does not look into them. */
export type Metadata = Readonly<Record<string, string>>;

/** One account as it stands at one position. A copy: it does not change with the ledger. */
export interface AccountView {
  readonly index: AccountIndex;
  /** 1, 2, … for customers, or what their alias says if it is a number; 0 for internal accounts. */
  readonly number: number;
  /** What people call it: the number, or the name of an internal account. */
  readonly reference: string;
  /** The name that its opener chose; empty for none. */
  readonly alias: string;
  readonly state: AccountState;
  readonly type: AccountType;
  readonly owner: string;
  readonly displayName: string;
  readonly metadata: Metadata;
  readonly currency: string;
  readonly currencyIndex: CurrencyIndex;
  /** Decimals of the currency's minor unit, as journaled at its first use. */
  readonly decimals: number;
  readonly homeBranch: BranchNumber;
  /** Credits minus debits, in minor units. */
  readonly posted: bigint;
  /** What open holds keep back. Available is `posted − held`. */
  readonly held: bigint;
  /** `posted − held` never goes below this; negative for an overdraft. */
  readonly floor: bigint;
  /** `posted` never goes above this; undefined for none. */
  readonly ceiling: bigint | undefined;
  /** Changes of this account so far; 1 after its opening. */
  readonly version: number;
  readonly openedPosition: Position;
  /** Journal time of the opening, Unix milliseconds. */
  readonly openedTimeMs: number;
}

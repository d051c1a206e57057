import { AccountState, AccountType } from "@bank/core";

/** How the tables call the kinds of accounts. */
export const ACCOUNT_KINDS = {
  [AccountType.SAVINGS]: "savings",
  [AccountType.CHECKING]: "checking",
  [AccountType.CASH]: "cash",
  [AccountType.INTEREST]: "interest",
  [AccountType.FEES]: "fees",
} as const satisfies Record<AccountType, string>;

/** And the states of one. */
export const ACCOUNT_STATES = {
  [AccountState.OPEN]: "open",
  [AccountState.FROZEN]: "frozen",
  [AccountState.CLOSED]: "closed",
} as const satisfies Record<AccountState, string>;

import type { CustomerAccountType } from "./account.ts";
import type { BranchNumber, RequestId } from "./identifiers.ts";
import type { Money } from "./money.ts";

/** What a customer can ask of the ledger. Accounts are named as the caller named them. */
export type Command = OpenAccount | Deposit | Withdraw | Transfer | RegisterBranch;

export interface OpenAccount {
  readonly kind: "openAccount";
  readonly type: CustomerAccountType;
  readonly owner: string;
  readonly displayName: string;
  /** ISO 4217 code. */
  readonly currency: string;
}

/** Cash comes in at the branch of the request. */
export interface Deposit {
  readonly kind: "deposit";
  readonly account: string;
  readonly amount: Money;
}

/** Cash goes out at the branch of the request. */
export interface Withdraw {
  readonly kind: "withdraw";
  readonly account: string;
  readonly amount: Money;
}

export interface Transfer {
  readonly kind: "transfer";
  readonly from: string;
  readonly to: string;
  readonly amount: Money;
}

/** A branch says who it is and where it can be reached. */
export interface RegisterBranch {
  readonly kind: "registerBranch";
  readonly branch: BranchNumber;
  readonly name: string;
  readonly address: string;
}

/** A command with everything that its outcome hangs on besides the state. */
export interface Request {
  /** Who asks, as authenticated. Together with `id` the key of the request. */
  readonly principal: string;
  /** Where it is booked. */
  readonly branch: BranchNumber;
  readonly id: RequestId;
  readonly command: Command;
}

/** The one principal until callers have identities. */
export const ANONYMOUS_PRINCIPAL = "dev";

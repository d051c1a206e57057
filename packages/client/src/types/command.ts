import type { Money } from "@bank/core";
import type { BankError } from "../bank-error.ts";
import type { Account, AccountChanges, AccountStateChange, AccountUpdate, NewAccount } from "./account.ts";
import type { Done, MutationOptions, VersionedOptions } from "./call.ts";
import type { Capture, Hold } from "./hold.ts";
import type { Interest, Transaction } from "./transaction.ts";

type Versioned = Pick<VersionedOptions, "expectedVersion">;

/**
 * One command of a group, and of a batch. Each says what the method of `BankClient` that has its `kind` for a name
 * says, with the same units and defaults.
 */
export type GroupCommand =
  | ({ readonly kind: "openAccount" } & NewAccount)
  | ({ readonly kind: "updateAccount"; readonly account: string } & AccountChanges & Versioned)
  | ({ readonly kind: "freezeAccount" | "unfreezeAccount" | "closeAccount"; readonly account: string } & Versioned)
  | ({ readonly kind: "deposit" | "withdraw"; readonly account: string; readonly amount: Money } & Versioned)
  | ({ readonly kind: "transfer"; readonly from: string; readonly to: string; readonly amount: Money } & Versioned)
  /** `transaction` is the position of the transaction that is to be taken back. */
  | ({ readonly kind: "reverse"; readonly transaction: number } & Versioned)
  /** `rate` is a percentage from 0 to 100 with at most six decimals: `"2.5"`. */
  | ({ readonly kind: "applyInterest"; readonly account: string; readonly rate: string } & Versioned)
  | ({
      readonly kind: "placeHold";
      readonly account: string;
      readonly amount: Money;
      /** Unix milliseconds. Default: never. */
      readonly expiresAtMs?: number | undefined;
    } & Versioned)
  | ({
      readonly kind: "captureHold";
      /** The position of its placing. */
      readonly hold: number;
      /** Default: all that is left. */
      readonly amount?: Money | undefined;
      /** Default: in cash. */
      readonly to?: string | undefined;
    } & Versioned)
  | ({ readonly kind: "releaseHold"; readonly hold: number } & Versioned)
  | ({ readonly kind: "extendHold"; readonly hold: number; readonly expiresAtMs: number } & Versioned);

/** Commands that all happen, in order, or none: 1 to 100. */
export interface CommandGroup {
  readonly kind: "group";
  readonly items: readonly GroupCommand[];
}

/** One command of a batch, with its own request id. */
export type BatchCommand = Pick<MutationOptions, "requestId" | "validateOnly"> & (GroupCommand | CommandGroup);

/** What one command did, by the kind of what came of it. */
export type GroupItemResult =
  /** Of a deposit, a withdrawal, a transfer, a reversal. */
  | { readonly kind: "transaction"; readonly transaction: Transaction }
  /** An account was opened. */
  | { readonly kind: "account"; readonly account: Account }
  /** An account was changed. */
  | { readonly kind: "accountUpdate"; readonly update: AccountUpdate }
  /** An account was frozen, unfrozen or closed. */
  | { readonly kind: "stateChange"; readonly change: AccountStateChange }
  | { readonly kind: "interest"; readonly interest: Interest }
  /** A hold was placed, released or extended. */
  | { readonly kind: "hold"; readonly hold: Hold }
  | { readonly kind: "capture"; readonly capture: Capture };

/** What a command or a group did. */
export type CommandResult = GroupItemResult | { readonly kind: "group"; readonly group: GroupResult };

/** What a group did. */
export interface GroupResult {
  /** The position that answers the group: behind all of its items. */
  readonly position: number;
  /** One for each item, in their order. */
  readonly results: readonly GroupItemResult[];
}

export interface GroupExecuted extends Done {
  readonly group: GroupResult;
}

/** What became of one command of a batch. */
export type BatchResult =
  | ({ readonly ok: true } & Pick<Done, "requestId" | "replayed" | "preview" | "propagation"> & CommandResult)
  | { readonly ok: false; readonly requestId: string; readonly error: BankError };

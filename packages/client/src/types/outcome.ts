import type { BankError } from "../bank-error.ts";
import type { BranchState, Durability } from "./branch.ts";
import type { ReadInfo } from "./call.ts";
import type { CommandResult } from "./command.ts";

/** What a request did: a command, a group, or what an operator decided. */
export type RequestResult =
  | CommandResult
  | { readonly kind: "branchChange"; readonly change: BranchChanged }
  | { readonly kind: "durability"; readonly durability: Durability };

/** What a request changed of a branch. */
export interface BranchChanged {
  readonly number: number;
  /** What it was called from then on; undefined where that was not changed. */
  readonly name: string | undefined;
  /** Where it was in its life from then on; undefined where that was not changed. */
  readonly state: BranchState | undefined;
}

/** What became of a request, for ever. */
export type FinalOutcome = ReadInfo & {
  readonly requestId: string;
  /** The position of the record that answers the request. */
  readonly answeredPosition: number;
} & (
    | { readonly state: "committed"; readonly result: RequestResult }
    /** It was decided against. `error` is what its call got, or would have got. */
    | { readonly state: "rejected"; readonly error: BankError }
    /** It was cancelled before it was carried out, and never will be. */
    | { readonly state: "cancelled" }
  );

/** A request without an answer yet. */
export type OpenOutcome = ReadInfo & {
  readonly requestId: string;
  /**
   * - `inProgress`: it is waiting, or on its way to the disk.
   * - `notSeen`: it was not seen up to `position`. That is not final: it may still be on its way. Sending it again
   *   under the same id, or cancelling it, settles it.
   */
  readonly state: "inProgress" | "notSeen";
};

/** What is known of a request. */
export type RequestOutcome = FinalOutcome | OpenOutcome;

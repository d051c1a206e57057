import type { BranchNumber, Position } from "@bank/core";

/** How far a copy of the journal is: what a follower says of itself, and passes on of those that follow it. */
export interface MemberReport {
  /** Which copy: 16 bytes, made once for each data folder. */
  readonly copyId: Uint8Array;
  /** The branches that it serves, ascending. */
  readonly branches: readonly BranchNumber[];
  /** The branch whose journal it follows; 0 is the bank. Filled in by the server that is followed. */
  readonly follows: BranchNumber;
  /** What it shows. */
  readonly appliedPosition: Position;
  /** What it has on its disk. */
  readonly durablePosition: Position;
  /** Digest of the state that it shows: 16 bytes, or none before the first batch. */
  readonly digest: Uint8Array;
  /** The newest level of the journal's format that it understands. */
  readonly formatLevel: number;
  /** The newest echo of the stream that it follows; 0 for none since the stream began. */
  readonly echo: number;
  /** The newest epoch in its journal: 16 bytes, or none before the first batch. */
  readonly epochId: Uint8Array;
  /** How many copies follow it directly. */
  readonly followers: number;
  /** How far its history is projected; undefined while it keeps none. */
  readonly historyPosition: Position | undefined;
  /** Whom it follows, as a URL. */
  readonly upstream: string;
  /** How old what it shows may be, by its own clock; undefined when it does not know. */
  readonly stalenessMs: number | undefined;
  /** Another number each time that the copy is opened: what an earlier run reported may not be there any more. */
  readonly run: number;
  /** Grows with each report of a run. */
  readonly sequence: number;
  /**
   * Whether it may call itself connected once it is answered: it is nearly as far as the server that it follows, which fills
   * this in. Whoever promises that every connected branch shows something waits for this copy from then on.
   */
  readonly joined: boolean;
  /** Whether its journal lies on a disk: one in memory counts for nothing that must outlive a server. */
  readonly onDisk: boolean;
  /** Whether its journal is whole, from the first record on. Until then it could not take the bank's place. */
  readonly whole: boolean;
}

/** How far a write should have spread before it is answered. */
export type PropagationAsked =
  /** Durable at the bank. */
  | { readonly mode: "bank" }
  /** Durable also on the disks of so many copies besides the bank's. */
  | { readonly mode: "quorum"; readonly copies: number }
  /** Durable and shown at every branch that is connected. */
  | { readonly mode: "allBranches" };

/** How far a committed write had spread when it was answered. */
export interface Propagation {
  readonly asked: PropagationAsked;
  /** Whether all that was asked for was reached in time. */
  readonly satisfied: boolean;
  /** Copies, besides the bank's, that have it on disk. */
  readonly copiesReached: number;
  /** Branches that have it on disk and show it, ascending. */
  readonly reached: readonly BranchNumber[];
  /** Branches that follow and had not said so in time, those that are still catching up included, ascending. */
  readonly missing: readonly BranchNumber[];
  /** Registered branches that are not connected, ascending. */
  readonly disconnected: readonly BranchNumber[];
}

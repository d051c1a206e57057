import type { BranchNumber } from "./identifiers.ts";

/** Where a branch is in its life. The numbers stand in the journal, for ever. */
export const BranchState = {
  ACTIVE: 1,
  /** Takes no new customers' calls any more, which its own door sees to; what is booked there still counts. */
  DRAINING: 2,
  /** For ever: nothing is booked there any more, and nothing about it changes. */
  RETIRED: 3,
} as const;
export type BranchState = (typeof BranchState)[keyof typeof BranchState];

export function isBranchState(state: number): state is BranchState {
  return state >= BranchState.ACTIVE && state <= BranchState.RETIRED && Number.isInteger(state);
}

/** How people call a state of a branch. */
export const BRANCH_STATE_WORDS: Readonly<Record<BranchState, string>> = {
  [BranchState.ACTIVE]: "active",
  [BranchState.DRAINING]: "draining",
  [BranchState.RETIRED]: "retired",
};

/** A copy of the journal that counts towards durability. */
export interface DurabilityMember {
  readonly branch: BranchNumber;
  /** 16 bytes: this very copy, not one that the branch began anew. */
  readonly copyId: Uint8Array;
}

/** The members by ascending branch: the one order that they stand in. */
export function byBranch(members: readonly DurabilityMember[]): DurabilityMember[] {
  return [...members].sort((a, b) => a.branch - b.branch);
}

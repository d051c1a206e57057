import type { Metadata } from "../account.ts";
import type { BranchState, DurabilityMember } from "../branch.ts";
import type { Position } from "../identifiers.ts";

export interface CurrencyEntry {
  readonly code: string;
  readonly decimals: number;
}

export interface BranchEntry {
  readonly name: string;
  readonly address: string;
  readonly state: BranchState;
}

/** Which copies of the journal count, besides the bank's. */
export interface DurabilityEntry {
  /** How many of the members must have a write on disk before it counts as committed. 0: only the bank counts. */
  readonly copies: number;
  /** By ascending branch. */
  readonly members: readonly DurabilityMember[];
  /** Position of the record that says so; 0 where none ever did. */
  readonly position: Position;
}

/** A term of one writer. It ends where the next begins. */
export interface EpochEntry {
  readonly number: number;
  /** 16 random bytes. */
  readonly id: Uint8Array;
  /** Position of its epoch record. */
  readonly firstPosition: Position;
  readonly lossAccepted: boolean;
  /** 16 bytes: the copy id of the branch whose journal became the bank's; undefined for none. */
  readonly promotedFrom?: Uint8Array | undefined;
}

/** What can be changed of an account. */
export interface AccountDetails {
  readonly displayName: string;
  readonly metadata: Metadata;
  readonly floor: bigint;
  /** Undefined for none. */
  readonly ceiling: bigint | undefined;
}

export interface StateRootEntry {
  readonly position: Position;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

import type { Done, ReadInfo } from "./call.ts";

/**
 * Where a branch is in its life.
 *
 * - `active`: it serves customers.
 * - `draining`: it follows the journal and takes no new calls of customers (DRAINING); it can become active again.
 * - `retired`: it is gone for good. Its number is never used again, and nobody waits for it.
 */
export type BranchState = "active" | "draining" | "retired";

export interface Branch {
  /** 0 is the head office: the bank server itself. */
  readonly number: number;
  /** URL where it listens; undefined where the bank does not know. */
  readonly address: string | undefined;
  readonly name: string;
  readonly state: BranchState;
  /**
   * What the server that answers knows of itself, of those beside it in its process, and of those that follow it,
   * directly or through others: the bank knows it of all that are connected. Else undefined.
   */
  readonly status: BranchStatus | undefined;
}

export interface BranchStatus {
  /** The position that it has applied and shows. */
  readonly appliedPosition: number;
  /** The position that it has on its own disk. */
  readonly durablePosition: number;
  /** Digest of the whole state at the applied position, in hexadecimal: equal at equal positions everywhere. */
  readonly digest: string;
  /** Whether its link to the bank is up. */
  readonly connected: boolean;
  /** The position up to which its history reaches; undefined where no history is kept. */
  readonly historyPosition: number | undefined;
  /** How many positions it is behind the newest that the answering server knows to be committed. */
  readonly lagPositions: number;
  /** Upper bound, in milliseconds, on how long ago its state was the newest; undefined when it cannot be known. */
  readonly stalenessMs: number | undefined;
  /** The branch that it follows, 0 for the bank; undefined at the bank, and where it is not known. */
  readonly follows: number | undefined;
  /** How many copies follow it directly. */
  readonly followers: number;
  /** Since when it has been connected without a break, Unix milliseconds; undefined when it is not. */
  readonly connectedSinceMs: number | undefined;
  /** The newest level of the journal's format that it understands; undefined where it is not told. */
  readonly formatLevel: number | undefined;
  /** Which copy of the journal it is, in hexadecimal; branches of one server share one. Undefined where it is not told. */
  readonly copyId: string | undefined;
  /** URL of the server that it follows; undefined at the bank, and where it is not known. */
  readonly upstream: string | undefined;
}

/** What a write must reach, besides the bank's own disk, before it counts as committed. */
export interface Durability {
  /** On the disks of how many of the branches below; 0 for none but the bank's. */
  readonly copies: number;
  /** Branches that count, in the order of their numbers. */
  readonly branches: readonly number[];
  /** The position from which on it holds; undefined if it was never set. */
  readonly position: number | undefined;
}

/** What is to change of a branch: one thing. */
export type BranchChange =
  /** What it is called from now on: 1 to 128 bytes of UTF-8. */
  | { readonly name: string }
  /** Where it is in its life from now on. */
  | { readonly state: BranchState };

export interface BranchList extends ReadInfo {
  /** In the order of their numbers, the head office first. */
  readonly branches: readonly Branch[];
  readonly durability: Durability;
}

export interface BranchReading extends ReadInfo {
  readonly branch: Branch;
}

export interface BranchUpdated extends Omit<Done, "preview"> {
  /** The branch behind the change. */
  readonly branch: Branch;
}

export interface DurabilitySet extends Omit<Done, "preview"> {
  readonly durability: Durability;
}

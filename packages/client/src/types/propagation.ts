/**
 * How far a mutation should have spread before it is answered. Whatever is asked for, it is done once it is durable at the
 * bank: what is not reached in time never makes an error of it, and `propagation` of the answer tells.
 *
 * - `bank`: durable at the bank, and shown by the server that answers.
 * - `{ quorum: n }`: also on the disks of n copies besides the bank's. Branches of one server share one copy.
 * - `all-branches`: also on the disk of every branch that is connected, and shown there, even to a `local` read.
 *
 * The wait ends with the time of its try: a client with several servers gives a try half of what is left.
 */
export type AskedPropagation =
  | "bank"
  | "all-branches"
  /** A whole number from 1. */
  | { readonly quorum: number };

/** How far a mutation had spread when it was answered. */
export interface Propagation {
  readonly asked: AskedPropagation;
  /** Whether all that was asked for was reached. */
  readonly satisfied: boolean;
  /** Copies, besides the bank's, that have it on disk. */
  readonly copiesReached: number;
  /** Branches that have it on disk and show it. */
  readonly reached: readonly number[];
  /** Connected branches that had not said so in time. */
  readonly missing: readonly number[];
  /** Branches that are not connected: they will show it once they are. */
  readonly disconnected: readonly number[];
  /** Whether the server that answered shows it. */
  readonly appliedHere: boolean;
}

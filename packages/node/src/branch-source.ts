import { RefusalError } from "@bank/core";
import type { Branch } from "./branch-teller.ts";
import type { JournalSource } from "./services/journal-service.ts";

export interface BranchSourceOptions {
  readonly replica: Branch;
  /** The same for all branches that share the copy. */
  readonly copyId: Uint8Array;
  /** The branches that the server hosts, for people. */
  readonly hosted: string;
}

/** A branch's own copy as a journal. It shows what is on its disk. Throws: `RefusalError` NOT_READY. */
export function branchSource({ replica, copyId, hosted }: BranchSourceOptions): JournalSource {
  const { bankId } = replica;
  if (bankId === undefined) throw new RefusalError("NOT_READY", { problem: "this branch has never reached its bank" });
  return {
    bankId,
    copyId,
    hosted,
    isBank: false,
    feed: replica.feed,
    epochs: replica.ledger.epochs,
    formatLevel: replica.ledger.formatLevel,
    get committedPosition() {
      return replica.savedPosition;
    },
    head: async (at) =>
      replica.savedPosition === 0 ? { position: 0, chainHash: undefined, epochId: undefined } : replica.head(at),
    probe: () => replica.readIndex(),
    reportDivergence: () => {
      // A branch decides nothing: the follower is told, and the bank will see for itself.
    },
    hear: () => {
      // Only the bank hears of all copies.
    },
  };
}

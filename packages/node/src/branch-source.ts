import { RefusalError } from "@bank/core";
import type { Branch } from "./branch-teller.ts";
import type { JournalSource } from "./services/journal-service.ts";

/**
 * A branch's own copy as a journal. It shows what is on its disk.
 *
 * @param copyId the same for all branches that share the copy.
 */
export function branchSource(replica: Branch, copyId: Uint8Array): JournalSource {
  const { bankId } = replica;
  if (bankId === undefined) throw new RefusalError("NOT_READY", { problem: "this branch has never reached its bank" });
  return {
    bankId,
    copyId,
    feed: replica.feed,
    epochs: replica.ledger.epochs,
    get committedPosition() {
      return replica.savedPosition;
    },
    head: async (at) =>
      replica.savedPosition === 0 ? { position: 0, chainHash: undefined, epochId: undefined } : replica.head(at),
    probe: () => replica.gate.readIndex(),
    reportDivergence: () => {
      // A branch decides nothing: the follower is told, and the bank will see for itself.
    },
  };
}

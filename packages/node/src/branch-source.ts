import { type Position, RefusalError } from "@bank/core";
import type { SnapshotPart } from "@bank/replica";
import type { Branch } from "./branch-teller.ts";
import type { ServedStore } from "./services/journal-parts.ts";
import type { JournalSource } from "./services/journal-service.ts";

export interface BranchSourceOptions {
  readonly replica: Branch;
  /** The same for all branches that share the copy. */
  readonly copyId: Uint8Array;
  /** The branches that the server hosts, for people. */
  readonly hosted: string;
  readonly store: ServedStore;
  /** A snapshot of whom this branch follows. */
  readonly passOnSnapshot: (after: Position, signal: AbortSignal) => AsyncIterable<SnapshotPart>;
}

/** A branch's own copy as a journal. It shows what is on its disk. Throws: `RefusalError` NOT_READY. */
export function branchSource({ replica, copyId, hosted, store, passOnSnapshot }: BranchSourceOptions): JournalSource {
  const { bankId } = replica;
  if (bankId === undefined) throw new RefusalError("NOT_READY", { problem: "this branch has never reached its bank" });
  return {
    bankId,
    copyId,
    hosted,
    isBank: false,
    feed: replica.feed,
    store,
    rootPosition: replica.ledger.root?.position,
    passOnSnapshot,
    epochs: replica.ledger.epochs,
    formatLevel: replica.ledger.formatLevel,
    head: (at) => replica.head(at),
    probe: (members) => replica.probe(members),
    report: (members) => replica.hear(members),
    // Who counts may be anywhere behind it.
    wantsEcho: () => true,
    // It speaks of its own copy alone.
    confirmEnd: () => Promise.resolve(),
    reportDivergence: () => {
      // A branch decides nothing: the follower is told, and the bank will see for itself.
    },
    hear: () => {
      // Only the bank hears of all copies.
    },
  };
}

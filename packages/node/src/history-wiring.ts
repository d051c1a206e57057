import { join } from "node:path";
import { History, type HistoryJournal } from "@bank/history";
import type { BackFill, BankReplica, Platform } from "@bank/replica";
import type { Branch } from "./branch-teller.ts";
import type { RoomWatch } from "./room-watch.ts";

/** When a server's history begins to be kept: from its start on, or once somebody asks for it. */
export type HistoryStart = "eager" | "lazy";

export interface HistoryPlace {
  readonly dataDir: string;
  /** The journal is in memory alone, and so is its history. */
  readonly inMemory: boolean;
  readonly start: HistoryStart;
  readonly platform: Platform;
  /** Of the disk that it is on; undefined where nobody watches that. */
  readonly room: RoomWatch | undefined;
}

/** The history of the bank's journal. */
export function bankHistory(replica: BankReplica, place: HistoryPlace): History {
  return openHistory(place, {
    get position() {
      return replica.committedPosition;
    },
    follow: (after, signal) => replica.feed.follow(after, signal),
    head: (at) => replica.head(at),
  });
}

/**
 * The history of a branch's own copy: of what is on its disk, and committed. It begins with the first record of the journal.
 *
 * @param backFill fetches what is missing; undefined where the journal is whole.
 */
export function branchHistory(replica: Branch, backFill: BackFill | undefined, place: HistoryPlace): History {
  return openHistory(place, {
    get position() {
      return backFill?.gap === undefined ? replica.feed.committedPosition : 0;
    },
    async *follow(after, signal) {
      await backFill?.whenWhole(signal);
      yield* replica.feed.follow(after, signal);
    },
    head: async (at) => {
      await backFill?.whenWhole(NEVER);
      return replica.head(at);
    },
  });
}

/** It is closed before the history is, and then nobody waits for it. */
const NEVER = new AbortController().signal;

/** Where a server keeps it. */
export function historyFile(dataDir: string): string {
  return join(dataDir, "history.db");
}

function openHistory({ dataDir, inMemory, start, platform, room }: HistoryPlace, journal: HistoryJournal): History {
  const file = inMemory ? undefined : historyFile(dataDir);
  return new History({ journal: room === undefined ? journal : inRoom(journal, room), file, start, platform });
}

/** The history waits where the disk has too little room: one that is built anew would take what is kept for the journal. */
function inRoom(journal: HistoryJournal, room: RoomWatch): HistoryJournal {
  return {
    get position() {
      return journal.position;
    },
    async *follow(after, signal) {
      for await (const batch of journal.follow(after, signal)) {
        await room.enough(signal);
        yield batch;
      }
    },
    head: (at) => journal.head(at),
  };
}

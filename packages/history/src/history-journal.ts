import type { Position } from "@bank/core";

/** One batch of a journal. */
export interface JournalBatch {
  readonly lastPosition: Position;
  readonly frame: Uint8Array;
  /** 32 bytes: after this batch. */
  readonly chainHash: Uint8Array;
}

/** The journal that a history is of: the bank's, or a branch's own copy. */
export interface HistoryJournal {
  /** How far `follow` goes by now. */
  readonly position: Position;
  /** Every batch behind the position, then each new one, until the signal aborts. */
  follow(after: Position, signal: AbortSignal): AsyncIterable<JournalBatch>;
  /** The proof of a position: undefined where no batch of this journal ends. */
  head(at: Position): Promise<{ readonly chainHash: Uint8Array | undefined; readonly epochId: Uint8Array | undefined }>;
}

import type { Position } from "@bank/core";
import type { ReceivedFrame } from "@bank/journal";

/** The end of a batch, with what proves which journal it is of. */
export interface JournalPlace {
  /** 16 bytes. */
  readonly bankId: Uint8Array;
  /** 0 for the beginning: then there are no hash and no epoch. */
  readonly position: Position;
  /** 32 bytes. */
  readonly chainHash: Uint8Array;
  /** 16 bytes. */
  readonly epochId: Uint8Array;
}

/** How far a journal goes, and the proof of one position in it. */
export interface JournalProof {
  /** 16 bytes. */
  readonly bankId: Uint8Array;
  /** The highest position that may be shown. */
  readonly position: Position;
  /** 32 bytes: at the position that was asked for; undefined where no batch ends there. */
  readonly chainHash: Uint8Array | undefined;
}

/** One step of a journal: a batch, or only news of how far it is committed. */
export interface JournalStep {
  readonly received: ReceivedFrame | undefined;
  /** Nothing beyond this is shown. */
  readonly committedPosition: Position;
}

/** The journal that tables are made of: a server's, or that of a store. */
export interface ReportJournal {
  /** For people: where it is, without any password. */
  readonly name: string;
  /** Looks at the journal. Rejects where it cannot be reached: then it may be tried again. */
  proof(at: Position, signal: AbortSignal): Promise<JournalProof>;
  /**
   * Every batch behind a position, then each new one. It ends where nothing more can come, and rejects when the journal cannot be
   * reached any more.
   *
   * @param from the end of a batch, whose chain hash was found equal to what `proof` gave.
   */
  follow(from: JournalPlace, signal: AbortSignal): AsyncIterable<JournalStep>;
  close(): Promise<void>;
}

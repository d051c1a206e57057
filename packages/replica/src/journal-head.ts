import type { EpochEntry, Position } from "@bank/core";

/** How far a journal goes, with the proof of one of its positions. */
export interface JournalHead {
  /** The newest durable position; 0 for none. */
  readonly position: Position;
  /** Chain hash at the asked position; undefined where no batch ends there. */
  readonly chainHash: Uint8Array | undefined;
  /** Epoch of the asked position; undefined before the first. */
  readonly epochId: Uint8Array | undefined;
}

/** The epoch that a position belongs to. */
export function epochAt(epochs: readonly EpochEntry[], position: Position): Uint8Array | undefined {
  return epochs.findLast(({ firstPosition }) => firstPosition <= position)?.id;
}

/** The number of the epoch that a position belongs to; 0 before the first. */
export function epochNumberAt(epochs: readonly EpochEntry[], position: Position): number {
  return epochs.findLast(({ firstPosition }) => firstPosition <= position)?.number ?? 0;
}

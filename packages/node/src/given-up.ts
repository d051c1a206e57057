import { bytesEqual, type EpochEntry, type Position } from "@bank/core";

/** How far a copy of the journal goes, and what it knows of losses. */
export interface CopyHead {
  readonly position: Position;
  /** Epoch of that position, 16 bytes. */
  readonly epochId: Uint8Array;
  /** The newest epoch in the copy with which an operator accepted a loss, 16 bytes; empty or undefined for none. */
  readonly acceptedLoss: Uint8Array | undefined;
}

/** The newest epoch with which an operator accepted a loss, 16 bytes; undefined for none. */
export function newestAcceptance(epochs: readonly EpochEntry[]): Uint8Array | undefined {
  return epochs.findLast(({ lossAccepted }) => lossAccepted)?.id;
}

/** Index of an epoch in the table; -1 when it is not there. */
export function indexOfEpoch(epochs: readonly EpochEntry[], epochId: Uint8Array): number {
  return epochs.findIndex(({ id }) => bytesEqual(id, epochId));
}

/**
 * Whether a copy that differs from the journal with these epochs left it before a loss was accepted: then an operator
 * has given up what only the copy has. One that left it later has the acceptance too, and what it has behind that was
 * lost again.
 */
export function lossWasGivenUp(epochs: readonly EpochEntry[], { position, epochId, acceptedLoss }: CopyHead): boolean {
  const hasAcceptance = acceptedLoss !== undefined && acceptedLoss.length > 0;
  const known = hasAcceptance ? indexOfEpoch(epochs, acceptedLoss) : -1;
  if (hasAcceptance && known === -1) return false;
  const own = indexOfEpoch(epochs, epochId);
  const next = epochs[own + 1];
  // Within an epoch that both have they must be the same.
  if (own !== -1 && (next === undefined || position < next.firstPosition)) return false;
  return epochs.slice(Math.max(known, own) + 1).some(({ lossAccepted }) => lossAccepted);
}

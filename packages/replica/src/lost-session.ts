import { bytesEqual, type EpochEntry, RefusalError, type Session } from "@bank/core";

/**
 * The refusal of a session that saw an epoch which this bank's table does not have. Epoch ids are random, so the epoch
 * was lost as a whole, with its record. Where exactly cannot be known: told is the first fork at which an operator gave
 * up records and that lies before what the session saw, else the beginning of the newest epoch before it.
 */
export function lostSession(session: Session, epochs: readonly EpochEntry[]): RefusalError {
  const lost = session.seen.find(({ epochId }) => !epochs.some(({ id }) => bytesEqual(id, epochId)));
  const position = lost?.position ?? 0;
  const before = epochs.filter(({ firstPosition }) => firstPosition <= position);
  const fork = before.find(({ lossAccepted }) => lossAccepted) ?? before.at(-1);
  return new RefusalError("SESSION_LOST", {
    fork_position: String((fork?.firstPosition ?? 1) - 1),
    position: String(position),
  });
}

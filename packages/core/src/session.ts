import { assert } from "./assert.ts";
import { bytesEqual, type Position, toHex } from "./identifiers.ts";
import type { EpochEntry } from "./ledger/entries.ts";
import { RefusalError } from "./reasons.ts";

/** What a client has seen: for each epoch the highest position. Only durable positions are ever put into one. */
export interface Session {
  /** 16 bytes. */
  readonly bankId: Uint8Array;
  readonly seen: readonly SeenPosition[];
}

export interface SeenPosition {
  /** 16 bytes. */
  readonly epochId: Uint8Array;
  readonly position: Position;
}

/** Joins what two sessions have seen: the highest position of each epoch. Throws: `RefusalError` for two banks. */
export function mergeSessions(a: Session, b: Session): Session {
  if (!bytesEqual(a.bankId, b.bankId)) throw invalidSession("two sessions of different banks cannot be joined");
  const byEpoch = new Map<string, SeenPosition>();
  for (const entry of [...a.seen, ...b.seen]) {
    const key = toHex(entry.epochId);
    const known = byEpoch.get(key);
    if (known === undefined || known.position < entry.position) byEpoch.set(key, entry);
  }
  return { bankId: a.bankId, seen: [...byEpoch.values()] };
}

/** What a session means on a replica that has this table of epochs. */
export type SessionCheck =
  | { readonly kind: "needs"; readonly position: Position }
  /** The replica has not heard of the epoch: either it is behind, or the token is false. */
  | { readonly kind: "unknownEpoch" };

/**
 * The position that must be applied to satisfy the session.
 * Throws: `RefusalError` SESSION_INVALID for another bank's token; SESSION_LOST when the session saw records of an
 * epoch behind the fork at which the next epoch began.
 */
export function checkSession(session: Session, bankId: Uint8Array, epochs: readonly EpochEntry[]): SessionCheck {
  if (!bytesEqual(session.bankId, bankId)) throw invalidSession("it is of another bank");
  let needed = 0;
  let unknownEpoch = false;
  for (const { epochId, position } of session.seen) {
    const index = epochs.findIndex(({ id }) => bytesEqual(id, epochId));
    if (index === -1) {
      // Another entry may be lost already, and then there is nothing to wait for.
      unknownEpoch = true;
      continue;
    }
    const epoch = epochs[index];
    assert(epoch !== undefined, "the found epoch is in the table");
    if (position < epoch.firstPosition) throw invalidSession("it names a position before its epoch");
    const next = epochs[index + 1];
    if (next !== undefined && position >= next.firstPosition)
      throw new RefusalError("SESSION_LOST", {
        fork_position: String(next.firstPosition - 1),
        position: String(position),
      });
    needed = Math.max(needed, position);
  }
  return unknownEpoch ? { kind: "unknownEpoch" } : { kind: "needs", position: needed };
}

/** What a reader of a state at this position has seen. Undefined before the first epoch. */
export function sessionAt(bankId: Uint8Array, epochs: readonly EpochEntry[], position: Position): Session | undefined {
  const epoch = epochs.findLast(({ firstPosition }) => firstPosition <= position);
  return epoch === undefined ? undefined : { bankId, seen: [{ epochId: epoch.id, position }] };
}

/** The refusal of a session that is none of this bank. */
export function invalidSession(problem: string): RefusalError {
  return new RefusalError("SESSION_INVALID", { problem });
}

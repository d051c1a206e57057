import { assert, bytesEqual, type EpochEntry, type Position, RefusalError, toHex } from "@bank/core";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";

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

const VERSION = 1;
const ENTRY_BYTES = 24;
const HEAD_BYTES = 17;
/** A token that names more epochs than this is none of ours. */
const EPOCHS_MAX = 16;

/** As text: base64url of version, bank id, and for each epoch its id and position. */
export function encodeSession(session: Session): string {
  const bytes = new Uint8Array(HEAD_BYTES + ENTRY_BYTES * session.seen.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = VERSION;
  bytes.set(session.bankId, 1);
  session.seen.forEach(({ epochId, position }, i) => {
    bytes.set(epochId, HEAD_BYTES + ENTRY_BYTES * i);
    view.setBigUint64(HEAD_BYTES + ENTRY_BYTES * i + 16, BigInt(position), true);
  });
  return base64Encode(bytes, "url");
}

/** Reads a token. Throws: `RefusalError` SESSION_INVALID. */
export function decodeSession(token: string): Session {
  const bytes = fromBase64url(token);
  const count = (bytes.length - HEAD_BYTES) / ENTRY_BYTES;
  if (bytes[0] !== VERSION) throw invalid("it has a version that this server does not know");
  if (!Number.isInteger(count) || count < 1 || count > EPOCHS_MAX) throw invalid("it has the wrong length");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const seen: SeenPosition[] = [];
  for (let at = HEAD_BYTES; at < bytes.length; at += ENTRY_BYTES) {
    const position = Number(view.getBigUint64(at + 16, true));
    if (!Number.isSafeInteger(position)) throw invalid("it names an impossible position");
    seen.push({ epochId: bytes.slice(at, at + 16), position });
  }
  return { bankId: bytes.slice(1, HEAD_BYTES), seen };
}

/** Joins what two tokens have seen: the highest position of each epoch. Throws: `RefusalError` for two banks. */
export function mergeSessions(a: Session, b: Session): Session {
  if (!bytesEqual(a.bankId, b.bankId)) throw invalid("two sessions of different banks cannot be joined");
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
  if (!bytesEqual(session.bankId, bankId)) throw invalid("it is of another bank");
  let needed = 0;
  for (const { epochId, position } of session.seen) {
    const index = epochs.findIndex(({ id }) => bytesEqual(id, epochId));
    if (index === -1) return { kind: "unknownEpoch" };
    const epoch = epochs[index];
    assert(epoch !== undefined, "the found epoch is in the table");
    if (position < epoch.firstPosition) throw invalid("it names a position before its epoch");
    const next = epochs[index + 1];
    if (next !== undefined && position >= next.firstPosition)
      throw new RefusalError("SESSION_LOST", {
        fork_position: String(next.firstPosition - 1),
        position: String(position),
      });
    needed = Math.max(needed, position);
  }
  return { kind: "needs", position: needed };
}

/** The token for a state at this position. */
export function sessionAt(bankId: Uint8Array, epochs: readonly EpochEntry[], position: Position): string {
  const epoch = epochs.findLast(({ firstPosition }) => firstPosition <= position);
  return epoch === undefined ? "" : encodeSession({ bankId, seen: [{ epochId: epoch.id, position }] });
}

export function invalidSession(problem: string): RefusalError {
  return invalid(problem);
}

function invalid(problem: string): RefusalError {
  return new RefusalError("SESSION_INVALID", { problem });
}

function fromBase64url(token: string): Uint8Array {
  try {
    return base64Decode(token);
  } catch (cause) {
    throw new RefusalError("SESSION_INVALID", { problem: "it is not base64url" }, "NOT_APPLIED", { cause });
  }
}

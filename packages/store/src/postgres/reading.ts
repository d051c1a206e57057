import { requireOutside } from "../append-check.ts";
import { completeLimits, requirePosition } from "../arguments.ts";
import { copyBytes } from "../bytes.ts";
import type { ReadLimits, StoredBatch } from "../port.ts";
import type { Session } from "./session.ts";

// What the port says of each, for a session whose writes may go on meanwhile: nothing is shown beyond the end that was
// acknowledged when it was asked for.

export async function readBatches(
  session: Session,
  afterPosition: number,
  limits: ReadLimits | undefined,
): Promise<readonly StoredBatch[]> {
  requirePosition(afterPosition, 0);
  const complete = completeLimits(limits);
  const end = session.head?.position ?? 0;
  if (afterPosition >= end) return [];
  const { gap } = session;
  requireOutside(gap, afterPosition + 1);
  const until = gap !== undefined && afterPosition < gap.after ? gap.after : end;
  const range = { from: afterPosition + 1, end: until, ...complete };
  return session.look("read", (connection) => session.rows.journal.read(connection, range));
}

export async function batchAt(session: Session, position: number): Promise<StoredBatch | undefined> {
  requirePosition(position);
  if (position > (session.head?.position ?? 0)) return undefined;
  requireOutside(session.gap, position);
  return session.look("read", (connection) => session.rows.journal.batchContaining(connection, position));
}

export async function chainHashAt(session: Session, position: number): Promise<Uint8Array | undefined> {
  requirePosition(position);
  if (position === session.gap?.upTo.position) return copyBytes(session.gap.upTo.chainHash);
  // What lies beyond may be there, and yet not acknowledged.
  if (position > (session.head?.position ?? 0)) return undefined;
  requireOutside(session.gap, position);
  return session.look("read", (connection) => session.rows.journal.chainHashAt(connection, position));
}

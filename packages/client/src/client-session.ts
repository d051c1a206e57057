import { bytesEqual, mergeSessions, type Session } from "@bank/core";
import { decodeSession, encodeSession } from "@bank/rpc";

/**
 * What one client has seen, at whichever branch. Grows with every reply and is never reset: a session whose past was
 * lost stays lost, and says so at each use, until its owner begins a new one.
 */
export class ClientSession {
  private seen: Session | undefined;
  private text: string | undefined;

  /** Continues from a token. Throws: `RefusalError` SESSION_INVALID. */
  constructor(token?: string) {
    if (token !== undefined) this.observe(token);
  }

  /** Opaque; undefined before the first reply. */
  get token(): string | undefined {
    return this.text;
  }

  /**
   * Adds what a reply has shown. Replies may come in any order and at the same time: nothing that one of them saw is
   * forgotten.
   *
   * @param covered the token that the request carried, if the server checked it and answered from a state that contains
   *   it. The reply's token stands for all of that: without this, a session would grow with each epoch of the bank.
   *
   * Throws: `RefusalError` SESSION_INVALID when it is no token, or another bank's.
   */
  observe(token: string, covered?: string): void {
    if (token === this.text) return;
    const reply = decodeSession(token);
    const kept = this.seen === undefined ? undefined : without(this.seen, covered);
    this.seen = kept === undefined ? reply : mergeSessions(kept, reply);
    this.text = encodeSession(this.seen);
  }
}

/** What of a session is not in the covered token. */
function without(session: Session, covered: string | undefined): Session {
  if (covered === undefined) return session;
  const { seen } = decodeSession(covered);
  const isCovered = (entry: Session["seen"][number]) =>
    seen.some(({ epochId, position }) => bytesEqual(epochId, entry.epochId) && position >= entry.position);
  return { bankId: session.bankId, seen: session.seen.filter((entry) => !isCovered(entry)) };
}

import { RefusalError } from "@bank/core";
import { attemptFailure } from "./attempt-failure.ts";
import { BankError } from "./bank-error.ts";
import { ClientSession } from "./client-session.ts";

/** The session of a token, or a new one. Throws: `BankError` SESSION_INVALID. */
export function newSession(token: string | undefined, server: string): ClientSession {
  return checked(() => new ClientSession(token), server);
}

/**
 * The token of what any of these sessions has seen: of each epoch the highest position. For those that come together from
 * several processes or machines. Throws: `BankError` SESSION_INVALID for a token that is none, or of another bank.
 */
export function joinSessions(first: string, ...others: readonly string[]): string {
  return checked(() => {
    const session = new ClientSession(first);
    for (const other of others) session.observe(other);
    return session.token ?? first;
  }, "");
}

function checked<T>(use: () => T, server: string): T {
  try {
    return use();
  } catch (error) {
    if (!(error instanceof RefusalError)) throw error;
    throw new BankError({ ...attemptFailure(error, server), attempts: 0 });
  }
}

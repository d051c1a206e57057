import { RefusalError } from "@bank/core";
import { attemptFailure } from "./attempt-failure.ts";
import { BankError } from "./bank-error.ts";
import { ClientSession } from "./client-session.ts";

/** The session of a token, or a new one. Throws: `BankError` SESSION_INVALID. */
export function newSession(token: string | undefined, server: string): ClientSession {
  try {
    return new ClientSession(token);
  } catch (error) {
    if (!(error instanceof RefusalError)) throw error;
    throw new BankError({ ...attemptFailure(error, server), attempts: 0 });
  }
}

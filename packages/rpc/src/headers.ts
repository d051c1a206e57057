import { RefusalError } from "@bank/core";

/** How current a read must be: `linearizable`, `session` or `local`. */
export const CONSISTENCY_HEADER = "bank-consistency";
/** A session token, on requests and on responses. */
export const SESSION_HEADER = "bank-session";

/** Set on the error of a follower whose extra records an operator has given up: it may put its journal aside. */
export const LOSS_ACCEPTED_HEADER = "bank-loss-accepted";

export const CONSISTENCY_MODES = ["linearizable", "session", "local"] as const;
export type ConsistencyMode = (typeof CONSISTENCY_MODES)[number];

/** What the headers of a request say about consistency. */
export interface ConsistencyHeaders {
  readonly mode: ConsistencyMode;
  /** undefined when the request carries none. */
  readonly session: string | undefined;
}

/** Reads the headers. Throws: `RefusalError` INVALID_REQUEST for an unknown mode, or a session read without a token. */
export function readConsistency(headers: Headers): ConsistencyHeaders {
  const asked = headers.get(CONSISTENCY_HEADER) ?? "linearizable";
  const session = headers.get(SESSION_HEADER) ?? undefined;
  const mode = CONSISTENCY_MODES.find((known) => known === asked);
  if (mode === undefined)
    throw new RefusalError("INVALID_REQUEST", {
      problem: `${CONSISTENCY_HEADER} is one of ${CONSISTENCY_MODES.join(", ")}, not ${JSON.stringify(asked.slice(0, 64))}`,
    });
  if (mode === "session" && session === undefined)
    throw new RefusalError("INVALID_REQUEST", { problem: `a session read needs the header ${SESSION_HEADER}` });
  return { mode, session };
}

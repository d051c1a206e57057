import { RefusalError } from "@bank/core";

/** How current a read must be; see `ReadConsistency`. */
export const CONSISTENCY_HEADER = "bank-consistency";
/** A session token, on requests and on responses. */
export const SESSION_HEADER = "bank-session";
/** How far a write should have spread before it is answered; see `WritePropagation`. */
export const PROPAGATION_HEADER = "bank-propagation";
/** The number of the highest epoch that the caller has heard of. A bank of an older one has been replaced, and stops. */
export const EPOCH_HEADER = "bank-epoch";

/** Set on the error of a follower whose extra records an operator has given up: it may put its journal aside. */
export const LOSS_ACCEPTED_HEADER = "bank-loss-accepted";

/**
 * How current a read must be, as the header says it: `linearizable`, `session`, `bounded;max-staleness-ms=500`, `local`,
 * `position=1200`, `time=2026-11-21T10:00:00Z`.
 */
export type ReadConsistency =
  | { readonly mode: "linearizable" | "session" | "local" }
  /** At least 0; whole milliseconds. */
  | { readonly mode: "bounded"; readonly maxStalenessMs: number }
  /** The state exactly as it stood at a position. */
  | { readonly mode: "position"; readonly position: number }
  /** The state exactly as it stood at a moment, Unix milliseconds. */
  | { readonly mode: "time"; readonly timeMs: number };

/** How far a write should have spread, as the header says it: `bank`, `quorum=2`, `all-branches`. */
export type WritePropagation =
  | { readonly mode: "bank" | "allBranches" }
  /** At least 1. */
  | { readonly mode: "quorum"; readonly copies: number };

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

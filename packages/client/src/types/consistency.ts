/**
 * How current the answer to a read must be. The plain words are the same as an object with that `mode`.
 *
 * - `linearizable`: every write that anybody was told of before the read began, anywhere. Costs a question to the bank,
 *   which one server asks once for all reads that wait; fails while the bank cannot be reached.
 * - `session`: everything that this client (its session) has read or done, at whichever server. Costs nothing where the
 *   server is that far already, else the milliseconds that it is behind; needs the bank only to catch up.
 * - `bounded`: everything that was answered longer ago than `maxStalenessMs`, and what the session saw. Costs nothing
 *   while the server is fresh enough, else as `linearizable`; STALENESS_BOUND_EXCEEDED when that fails.
 * - `local`: whatever is there, which may be older than what this client saw. Costs nothing and never fails for want of
 *   the bank: `stalenessMs` and `connected` of the answer say how old it may be.
 * - `position`: the state exactly as it stood at this position, the same at every server and for ever. The server waits
 *   until it is that far; POSITION_IN_FUTURE for one that is not written yet.
 * - `time`: the state exactly as it stood at the end of this moment. TIME_IN_FUTURE for one that is not over yet.
 */
export type Consistency =
  | "linearizable"
  | "session"
  | "local"
  | { readonly mode: "linearizable" | "session" | "local" }
  /** In whole milliseconds, 0 or more. */
  | { readonly mode: "bounded"; readonly maxStalenessMs: number }
  | { readonly mode: "position"; readonly position: number }
  /** A moment, or its text as in RFC 3339, to the millisecond: `2026-01-05T09:00:00Z`. */
  | { readonly mode: "time"; readonly time: Date | string };

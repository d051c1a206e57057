import type { Position, Session } from "@bank/core";

/** What a reader asks of the state that it is shown. Where a session comes along, all that it saw is in that state. */
export type Consistency =
  /** Every write acknowledged anywhere before the read began. */
  | { readonly mode: "linearizable"; readonly session?: Session | undefined }
  /** Everything that this session has seen or done. */
  | { readonly mode: "session"; readonly session: Session }
  /** A state that was the newest at most so many milliseconds ago. */
  | { readonly mode: "bounded"; readonly maxStalenessMs: number; readonly session?: Session | undefined }
  /** Everything up to this position, from which the state as of it follows. */
  | { readonly mode: "position"; readonly position: Position; readonly session?: Session | undefined }
  /** Whatever is here. */
  | { readonly mode: "local" };

/** What was read, and from which state. */
export interface ReadResult<T> {
  readonly value: T;
  /** The state holds everything up to here and nothing behind it. */
  readonly position: Position;
  /** Upper bound on the age of that state; undefined when it cannot be known. */
  readonly stalenessMs: number | undefined;
  /** What a reader of this state has seen; undefined for a state before the first epoch. */
  readonly session: Session | undefined;
  /** Whether the server that was read at has a live link to the bank, by its own clocks. */
  readonly connected: boolean;
  /** Number of the epoch of the position; 0 before the first. */
  readonly epoch: number;
}

import type { Position, Session } from "@bank/core";

/** What a reader asks of the state that it is shown. */
export type Consistency =
  /** Every write acknowledged anywhere before the read began. */
  | { readonly mode: "linearizable" }
  /** Everything that this session has seen or done. */
  | { readonly mode: "session"; readonly session: Session }
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
}

import type { AccountIndex, Position } from "./identifiers.ts";

/** How far a hold is in its life: open, then ended in one of three ways, for good. The numbers stand in the API. */
export const HoldState = { OPEN: 1, CAPTURED: 2, RELEASED: 3, EXPIRED: 4 } as const;
export type HoldState = (typeof HoldState)[keyof typeof HoldState];

/** Whether a number that came from outside is a state of a hold. */
export function isHoldState(state: number): state is HoldState {
  return state >= HoldState.OPEN && state <= HoldState.EXPIRED;
}

/** One hold as it stands at one position. A copy: it does not change with the ledger. */
export interface HoldView {
  /** Position of its placing, and its identity. */
  readonly hold: Position;
  readonly account: AccountIndex;
  /** What it was placed for, in minor units. */
  readonly held: bigint;
  /** What has been captured so far, 0 to `held`. */
  readonly captured: bigint;
  /** Journal time at which it ends by itself, Unix milliseconds; 0 for never. */
  readonly expiresMs: number;
  readonly state: HoldState;
}

/** What the hold still keeps back: nothing once it has ended. */
export function remainingOf({ held, captured, state }: HoldView): bigint {
  return state === HoldState.OPEN ? held - captured : 0n;
}

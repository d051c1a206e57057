import type { Money } from "@bank/core";
import type { Done, Page, ReadInfo, VersionedOptions } from "./call.ts";
import type { Transaction } from "./transaction.ts";

/**
 * How far a hold is in its life.
 *
 * - `open`: it keeps money back.
 * - `captured`: all of it was captured.
 * - `released`: what was left was given back.
 * - `expired`: its time came, and what was left was given back.
 */
export type HoldState = "open" | "captured" | "released" | "expired";

/** Money of an account that is kept back for a later capture. */
export interface Hold {
  /** The position of its placing, and its identity; 0 in the preview of its placing. */
  readonly position: number;
  /** Number of the account. */
  readonly account: string;
  /** What it was placed for. */
  readonly amount: Money;
  /** What has been captured so far. */
  readonly captured: Money;
  /** What it still keeps back; zero once it has ended. */
  readonly remaining: Money;
  readonly state: HoldState;
  /** Journal time at which it ends by itself, Unix milliseconds; undefined for never. */
  readonly expiresAtMs: number | undefined;
}

/** Held money that was taken out. */
export interface Capture {
  readonly transaction: Transaction;
  /** The hold as it stood after it. */
  readonly hold: Hold;
}

export interface PlaceHoldOptions extends VersionedOptions {
  /** Journal time at which it ends by itself, Unix milliseconds. Default: never. */
  readonly expiresAtMs?: number | undefined;
}

export interface CaptureHoldOptions extends VersionedOptions {
  /** How much, up to what is left of the hold. Default: all that is left. */
  readonly amount?: Money | undefined;
  /** The account that receives: a customer's, or one for fees. Default: it is paid out in cash at the branch. */
  readonly to?: string | undefined;
}

export interface HoldChanged extends Done {
  /** The hold as it stood after the change. */
  readonly hold: Hold;
}

export interface HoldCaptured extends Done {
  readonly capture: Capture;
}

export interface HoldReading extends ReadInfo {
  readonly hold: Hold;
}

export interface HoldPage extends Page {
  /** Open ones, in the order of their placing. */
  readonly holds: readonly Hold[];
}

/** A scenario: what a file says, in one form for all shapes. Every event knows its branch and its accounts. */
export interface Scenario {
  readonly shape: ScenarioShape;
  /** Opened before the first event, in this order. The classic shapes have one, shared by all branches. */
  readonly accounts: readonly ScenarioAccount[];
  /** The branches that the file names, in its order: 1 to 65535, each once, at least one. */
  readonly branches: readonly number[];
  /** One for each customer object of the file, in its order. The same id may stand there several times. */
  readonly customers: readonly ScenarioCustomer[];
}

/**
 * Decides where events happen and how answers are written.
 *
 * - `per-customer`: customer N talks to branch N; one output object per customer.
 * - `per-event`: each event names its `branch`; one output object per event.
 * - `final-balance`: each event names its `dest`; one balance per customer.
 * - `extended`: several accounts and transfers; one output object per event.
 */
export type ScenarioShape = "per-customer" | "per-event" | "final-balance" | "extended";

/** An account that a run opens. */
export interface ScenarioAccount {
  /** What events call it; the bank gives it a number of its own. */
  readonly name: string;
  /** In minor units, zero or more. */
  readonly openingBalanceMinor: bigint;
  /** The branch that keeps it; without one, the head office. */
  readonly homeBranch?: number;
}

/** One customer object: its events happen one after another, in one session. */
export interface ScenarioCustomer {
  readonly id: number;
  readonly events: readonly ScenarioEvent[];
}

export type ScenarioEvent = QueryEvent | CashEvent | TransferEvent;

/** Asks for an account's balance. */
export interface QueryEvent {
  readonly interface: "query";
  readonly branch: number;
  readonly account: string;
}

/** Pays cash in or out at a branch. */
export interface CashEvent {
  readonly interface: "deposit" | "withdraw";
  readonly branch: number;
  readonly account: string;
  /** Minor units, more than zero. */
  readonly amountMinor: bigint;
}

/** Moves money between two different accounts. */
export interface TransferEvent {
  readonly interface: "transfer";
  readonly branch: number;
  readonly from: string;
  readonly to: string;
  /** Minor units, more than zero. */
  readonly amountMinor: bigint;
}

/** The name of the one account in the classic shapes. It is never printed. */
export const SHARED_ACCOUNT = "shared";

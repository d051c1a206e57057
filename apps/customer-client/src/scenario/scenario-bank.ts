/**
 * What a run needs of a bank. The runner knows nothing else of it, so that it runs against the real cluster and against
 * a few lines in a test alike. Any error that these methods reject with ends the run.
 */
export interface ScenarioBank {
  /**
   * Opens an account in US dollars with a balance in minor units, zero or more, at its home branch (none: the head
   * office), and gives its number.
   */
  openAccount(openingBalanceMinor: bigint, home: { readonly branch?: number }): Promise<string>;
  /**
   * The session of the customer object at this place of the file, from 0. It is asked for once per customer object.
   * Whatever one of a session's tellers has answered, all of its later answers know of, at every branch.
   */
  customer(index: number): ScenarioSession;
}

/** One customer's dealings with the bank, wherever they happen. */
export interface ScenarioSession {
  /** The same session at a branch that the scenario names. */
  at(branch: number): ScenarioTeller;
}

/** Amounts and balances are minor units of US dollars; accounts are the numbers that `openAccount` gave. */
export interface ScenarioTeller {
  deposit(account: string, amountMinor: bigint): Promise<Outcome>;
  withdraw(account: string, amountMinor: bigint): Promise<Outcome>;
  transfer(from: string, to: string, amountMinor: bigint): Promise<Outcome>;
  /** The balance with every change that was answered anywhere before this call. */
  balance(account: string): Promise<bigint>;
}

/** A rejection by the bank's rules (no funds, say) is `fail`: an answer like any other. */
export type Outcome = "success" | "fail";

/** A bank for one run. */
export interface RunningScenarioBank extends ScenarioBank {
  /** Ends all sessions, and whatever was started for the run. Called exactly once, after the last call has settled. */
  close(): Promise<void>;
}

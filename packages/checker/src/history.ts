/**
 * What a history holds: what clients asked and were told, and when, by one clock; and the journal, which is the witness
 * of the order in which the bank did it. Amounts and balances are in minor units.
 */
export interface History {
  readonly about: HistoryAbout;
  /** What was there before the first record. Empty for a bank from its beginning. */
  readonly accounts: readonly StartAccount[];
  /** Every committed record behind `about.startPosition`, in the order of the positions. */
  readonly records: readonly WitnessRecord[];
  /** In any order. */
  readonly operations: readonly Operation[];
}

/** What is said of a history as a whole. */
export interface HistoryAbout {
  /** For people. */
  readonly description: string;
  /** What repeats the run; undefined where nothing does. */
  readonly seed: string | undefined;
  /** The position of the accounts that are there at the start. 0 for a bank from its beginning. */
  readonly startPosition: number;
  /** Whether the journal is in it. Without it there is no witness, and much is not checked. */
  readonly hasJournal: boolean;
  /**
   * Whether every request that was made of the bank meanwhile is in it. Where not, nobody can say that an effect was not
   * asked for, and the black-box checker has nothing to go by.
   */
  readonly isComplete: boolean;
}

/** An account as it stood at the start, without open holds. */
export interface StartAccount {
  /** As the journal names it: a customer's number, or the name of one of the bank's own. */
  readonly account: string;
  readonly currency: string;
  readonly balance: bigint;
  /** Default: 0. */
  readonly floor?: Floor | undefined;
}

/** What a balance, less what holds keep back, never goes below. */
export type Floor = bigint | "none";

/** What a committed record did. `other` is what changes nothing that the checkers know of. */
export type WitnessKind =
  | "accountOpened"
  | "accountUpdated"
  | "accountState"
  | "deposit"
  | "withdrawal"
  | "transfer"
  | "reversal"
  | "interest"
  | "hold"
  | "capture"
  | "holdsExpired"
  | "group"
  | "rejected"
  | "other";

/** One record of the journal, with accounts by their names. What its kind has no use for is undefined. */
export interface WitnessRecord {
  readonly position: number;
  readonly kind: WitnessKind;
  /** The request that it answers; undefined on items of groups and on the bank's own records. */
  readonly request?: string | undefined;
  /** Journal time, Unix milliseconds. */
  readonly timeMs?: number | undefined;
  /** Of a movement of money: where it leaves. */
  readonly debit?: string | undefined;
  /** Of a movement of money: where it arrives. */
  readonly credit?: string | undefined;
  /** Of a movement of money. */
  readonly amount?: bigint | undefined;
  /** Of `accountOpened`, `accountUpdated`, `accountState` and `hold`. */
  readonly account?: string | undefined;
  /** Of `accountOpened`. */
  readonly currency?: string | undefined;
  /** Of `accountOpened` and `accountUpdated`. Default: 0. */
  readonly floor?: Floor | undefined;
  /** Of `accountOpened` and `accountUpdated`; undefined for no ceiling. */
  readonly ceiling?: bigint | undefined;
  /** Of `accountState`. */
  readonly state?: AccountLife | undefined;
  /** Of `hold` and `capture`: the position of its placing, and what it keeps back behind this record. */
  readonly hold?: number | undefined;
  readonly held?: bigint | undefined;
  /** Of `holdsExpired`: the positions of their placings. */
  readonly holds?: readonly number[] | undefined;
  /** Of `group`: how many records directly before it are the group's. */
  readonly records?: number | undefined;
  /** Of `rejected`. */
  readonly reason?: string | undefined;
}

export type AccountLife = "open" | "frozen" | "closed";

/** One call of a client: what it asked, what it was told, and when. */
export type Operation = WriteOperation | ReadOperation;

interface Call {
  readonly client: string;
  /** The process in which the client ran; undefined where that says nothing. */
  readonly process?: string | undefined;
  /** The server that was asked, as `branch-1`; undefined where a client chose among many. */
  readonly server?: string | undefined;
  /**
   * The session that it belongs to: its token was sent along, and what came back went into it. Several clients may share
   * one. Undefined for a call without.
   */
  readonly session?: string | undefined;
  /** When the client sent it, in milliseconds with any fraction, by the one monotonic clock of the history. */
  readonly invokeMs: number;
  /** When the client had the answer, by the same clock; undefined where there was none. */
  readonly returnMs: number | undefined;
}

/** A call that changes something, under a request id. */
export type WriteOperation = Call &
  WriteAction & {
    readonly request: string;
    /** How far it should spread before it is answered. Default: no further than the bank. */
    readonly propagation?: PropagationAsked | undefined;
    readonly outcome: WriteOutcome;
  };

/** A movement of money that a client asked for. */
export type Movement =
  | { readonly kind: "deposit" | "withdraw"; readonly account: string; readonly amount: bigint }
  | { readonly kind: "transfer"; readonly from: string; readonly to: string; readonly amount: bigint };

/** A change of which the checkers know only that it has its record and its place. */
export interface OtherAction {
  readonly kind: "other";
  /** What was asked, as `placeHold`. */
  readonly name: string;
  /** Accounts whose balance it may have changed. */
  readonly accounts: readonly string[];
}

/** What a client asked for. Accounts are named as in the journal, not by their aliases. */
export type WriteAction =
  | {
      readonly kind: "openAccount";
      readonly currency?: string | undefined;
      /** Undefined where it was left to the bank, which means 0. */
      readonly floor?: bigint | undefined;
    }
  | Movement
  /** All of them or none. */
  | { readonly kind: "group"; readonly items: readonly (Movement | OtherAction)[] }
  | OtherAction;

/** How far a write should spread before it is answered: to so many copies besides the bank's, or to all branches. */
export type PropagationAsked = { readonly mode: "quorum"; readonly copies: number } | { readonly mode: "allBranches" };

/** How far a write had spread when it was answered. */
export interface PropagationReached {
  /** Whether all that was asked for was reached. */
  readonly satisfied: boolean;
  /** Copies, besides the bank's, that have it on disk. */
  readonly copies?: number | undefined;
  /** Connected servers that had not said so. */
  readonly missing?: readonly string[] | undefined;
}

/** What became of a write, as its client was told. */
export type WriteOutcome =
  | {
      readonly status: "ok";
      /** Where its record stands. */
      readonly position: number;
      /** Position that the token of the reply names; undefined where it was not looked at. */
      readonly session?: number | undefined;
      readonly replayed?: boolean | undefined;
      /** Of `openAccount`: the account's name. */
      readonly account?: string | undefined;
      readonly propagation?: PropagationReached | undefined;
    }
  | RejectedOutcome
  | NotAppliedOutcome
  | UnknownOutcome;

/** Decided against, for ever. */
export interface RejectedOutcome {
  readonly status: "rejected";
  readonly reason: string;
  /** Where its record stands; undefined where the reply did not say it. */
  readonly position?: number | undefined;
  readonly session?: number | undefined;
  readonly replayed?: boolean | undefined;
}

/** It was told that nothing was done; of a read, that nothing was shown. */
export interface NotAppliedOutcome {
  readonly status: "notApplied";
  readonly reason?: string | undefined;
}

/** Nobody knows: it may happen at any later time, or never. */
export interface UnknownOutcome {
  readonly status: "unknown";
  readonly reason?: string | undefined;
}

/** What a reader asked of the state that it was shown. */
export type ReadConsistency =
  | { readonly mode: "linearizable" | "session" | "local" }
  | { readonly mode: "bounded"; readonly maxStalenessMs: number }
  /** The state at that position. */
  | { readonly mode: "position"; readonly position: number }
  /** The state at the end of that moment, Unix milliseconds. */
  | { readonly mode: "time"; readonly timeMs: number };

/** A call that shows posted balances: of one account, or of several at one position. */
export type ReadOperation = Call & {
  readonly kind: "balance" | "total";
  /** One for `balance`. */
  readonly accounts: readonly string[];
  readonly consistency: ReadConsistency;
  readonly outcome: ReadOutcome;
};

/** What a reader was told. */
export type ReadOutcome =
  | {
      readonly status: "ok";
      /** The position that the balances are of. */
      readonly position: number;
      /** In the order of the accounts. */
      readonly balances: readonly bigint[];
      readonly session?: number | undefined;
      /** Upper bound on the age of the state, as the server said it; undefined where it did not. */
      readonly stalenessMs?: number | undefined;
      /** Whether the server called itself connected to the bank; undefined where it did not say. */
      readonly connected?: boolean | undefined;
    }
  | NotAppliedOutcome
  | UnknownOutcome;

export function isRead(operation: Operation): operation is ReadOperation {
  return operation.kind === "balance" || operation.kind === "total";
}

/** Whether a read is of a state that its reader named, which promises nothing about how new it is. */
export function isOfThePast({ consistency }: ReadOperation): boolean {
  return consistency.mode === "position" || consistency.mode === "time";
}

/** The movements that an action asks for; undefined where it may do something else too. */
export function movementsOf(action: WriteAction): readonly Movement[] | undefined {
  switch (action.kind) {
    case "deposit":
    case "withdraw":
    case "transfer":
      return [action];
    case "group":
      return action.items.every((item) => item.kind !== "other") ? action.items : undefined;
    case "openAccount":
      return [];
    case "other":
      return undefined;
  }
}

/** Where the money of a movement leaves and arrives; undefined for cash. */
export function sidesOf(movement: Movement): { readonly from: string | undefined; readonly to: string | undefined } {
  switch (movement.kind) {
    case "deposit":
      return { from: undefined, to: movement.account };
    case "withdraw":
      return { from: movement.account, to: undefined };
    case "transfer":
      return movement;
  }
}

/** Every account that an operation names, each as often as it does. */
export function accountsOf(operation: Operation): readonly string[] {
  switch (operation.kind) {
    case "balance":
    case "total":
    case "other":
      return operation.accounts;
    case "openAccount":
      return operation.outcome.status === "ok" && operation.outcome.account !== undefined
        ? [operation.outcome.account]
        : [];
    case "group":
      return operation.items.flatMap((item) => (item.kind === "other" ? item.accounts : namesOf(item)));
    default:
      return namesOf(operation);
  }
}

function namesOf(movement: Movement): readonly string[] {
  const { from, to } = sidesOf(movement);
  return [from, to].filter((name) => name !== undefined);
}

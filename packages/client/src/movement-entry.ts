import { AMOUNT_MAX, currencyDecimals, type Money } from "@bank/core";
import type { AttemptFailure } from "./attempt-failure.ts";
import { BankError } from "./bank-error.ts";
import type { Caller } from "./caller.ts";
import { CommandTries } from "./command-tries.ts";
import { type RequestWords, textOfRequestWords } from "./request-words.ts";
import { bookAlone, type MovementCommand } from "./single-movement.ts";
import type { Booked } from "./types/index.ts";

/** A movement that can stand in a row of columns. */
export interface RowMovement {
  /** The account that pays, as its own number is written; undefined for cash. */
  readonly debitAccount: string | undefined;
  /** The account that receives, likewise. */
  readonly creditAccount: string | undefined;
  /** Their numbers; 0 for cash. */
  readonly debit: number;
  readonly credit: number;
  readonly currency: string;
  readonly minor: bigint;
}

/**
 * The row that a movement between these accounts is, undefined for cash; undefined where it needs more than a row can say, or
 * is wrong, which its own call tells best. Takes a copy: the caller may change what he gave.
 */
export function rowOf(
  debitAccount: string | undefined,
  creditAccount: string | undefined,
  amount: Money,
): RowMovement | undefined {
  const debit = debitAccount === undefined ? 0 : numberOf(debitAccount);
  const credit = creditAccount === undefined ? 0 : numberOf(creditAccount);
  if (debit === undefined || credit === undefined) return undefined;
  // Callers in JavaScript give whatever they like.
  if (typeof amount?.minor !== "bigint" || typeof amount.currency !== "string") return undefined;
  const { currency, minor } = amount;
  if (minor < 1n || minor > AMOUNT_MAX || currencyDecimals(currency) === undefined) return undefined;
  return { debitAccount, creditAccount, debit, credit, currency, minor };
}

const DIGIT_0 = 48;
/** Every number of so many digits is a safe integer. */
const DIGITS_MAX = 15;

/** An account number as it is written by itself; undefined for every other name. */
function numberOf(account: string): number | undefined {
  if (typeof account !== "string" || account.length === 0 || account.length > DIGITS_MAX) return undefined;
  let number = 0;
  for (let i = 0; i < account.length; i++) {
    const digit = account.charCodeAt(i) - DIGIT_0;
    if (digit < 0 || digit > 9 || (digit === 0 && i === 0)) return undefined;
    number = number * 10 + digit;
  }
  return number;
}

/** Who waits for a movement. */
export interface EntryCall {
  /** When he stops waiting, by `performance.now()`. */
  readonly deadlineMs: number;
  /** Ends the call; undefined where only the client itself does. */
  readonly signal: AbortSignal | undefined;
  /** As he wrote it; undefined where it was made for him. */
  readonly requestId: string | undefined;
  readonly resolve: (booked: Booked) => void;
  readonly reject: (error: unknown) => void;
}

/** One movement on its way to its answer. There may be a hundred thousand of them: no object more for each than it needs. */
export class MovementEntry implements RowMovement, RequestWords, EntryCall {
  readonly debitAccount: string | undefined;
  readonly creditAccount: string | undefined;
  readonly debit: number;
  readonly credit: number;
  readonly currency: string;
  readonly minor: bigint;
  readonly words: Uint32Array;
  readonly at: number;
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (booked: Booked) => void;
  readonly reject: (error: unknown) => void;
  readonly preview = false;
  /** Its caller has been told, or its own call tells him. */
  settled = false;
  /** A try is under way: what nobody has told of, it may still do. */
  underWay = false;
  private readonly givenId: string | undefined;
  private tries: CommandTries | undefined;

  constructor(row: RowMovement, id: RequestWords, call: EntryCall) {
    this.debitAccount = row.debitAccount;
    this.creditAccount = row.creditAccount;
    this.debit = row.debit;
    this.credit = row.credit;
    this.currency = row.currency;
    this.minor = row.minor;
    this.words = id.words;
    this.at = id.at;
    this.deadlineMs = call.deadlineMs;
    this.signal = call.signal;
    this.resolve = call.resolve;
    this.reject = call.reject;
    this.givenId = call.requestId;
  }

  /** As its caller wrote it, else in lower case. */
  get requestId(): string {
    return this.givenId ?? textOfRequestWords(this);
  }

  /** Why the last try of it failed; undefined before the first. */
  get lastFailure(): AttemptFailure | undefined {
    return this.tries?.lastFailure;
  }

  get command(): MovementCommand {
    const { debitAccount, creditAccount, currency, minor } = this;
    const amount = { currency, minor };
    if (debitAccount === undefined) return { kind: "deposit", account: creditAccount ?? "", amount };
    if (creditAccount === undefined) return { kind: "withdraw", account: debitAccount, amount };
    return { kind: "transfer", from: debitAccount, to: creditAccount, amount };
  }

  answered(booked: Booked): void {
    if (this.settled) return;
    this.settled = true;
    this.resolve(booked);
  }

  /** Sends it in a call of its own, and waits for the end of that. Never rejects. */
  async goAlone(caller: Caller): Promise<void> {
    if (this.settled) return;
    this.settled = true;
    const { signal, requestId, command, deadlineMs } = this;
    const timeoutMs = Math.max(1, Math.floor(deadlineMs - performance.now()));
    try {
      this.resolve(await bookAlone(caller, command, { timeoutMs, signal, requestId, propagation: "bank" }));
    } catch (error) {
      // What a try before may have done, a later one that was refused does not know.
      this.reject(error instanceof BankError && this.tries !== undefined ? this.tries.endedAlone(error, this) : error);
    }
  }

  /** The try of it that was under way failed, as a whole call or as one of many rows; another may follow. */
  failed(failure: AttemptFailure): void {
    if (this.settled) return;
    this.underWay = false;
    this.triesNow().failed(failure);
  }

  /** What its last try said is what it ends with. */
  endAs(failure: AttemptFailure): void {
    if (!this.settled) this.end(this.triesNow().error(failure, this));
  }

  /** Its caller does not wait any more: it ends as this failure says, and with what is not known of its tries. */
  abandon(failure: AttemptFailure): void {
    if (this.settled) return;
    if (this.underWay) this.failed({ ...failure, outcome: "OUTCOME_UNKNOWN" });
    this.endAs(failure);
  }

  /** The call has ended with this error, and nothing is tried any more. */
  giveUp(error: BankError): void {
    if (!this.settled) this.end(this.triesNow().givenUp(error, this));
  }

  /** The call has ended with what is no error of the bank's or the network's: so does this. */
  crash(error: unknown): void {
    if (!this.settled) this.end(error);
  }

  private triesNow(): CommandTries {
    this.tries ??= new CommandTries();
    return this.tries;
  }

  private end(error: unknown): void {
    this.settled = true;
    this.reject(error);
  }
}

import { AMOUNT_MAX, currencyDecimals, type Money } from "@bank/core";
import type { AttemptFailure } from "./attempt-failure.ts";
import { BankError } from "./bank-error.ts";
import { CommandTries } from "./command-tries.ts";
import type { RequestWords } from "./request-words.ts";
import type { BatchCommand, Booked, MutationOptions } from "./types/index.ts";

/** A movement that can stand in a row of columns. */
export interface RowMovement {
  /** Number of the account that pays; 0 for cash. */
  readonly debit: number;
  /** Number of the account that receives; 0 for cash. */
  readonly credit: number;
  readonly amount: Money;
}

/** A movement between accounts as the caller named them. */
export type MovementCommand = Extract<BatchCommand, { readonly kind: "deposit" | "withdraw" | "transfer" }>;

/** The row that a movement is; undefined where it needs more than a row can say, or is wrong, which its own call tells best. */
export function rowOf(command: MovementCommand): RowMovement | undefined {
  const { amount } = command;
  if (command.expectedVersion !== undefined || command.validateOnly === true) return undefined;
  if (typeof amount.minor !== "bigint" || amount.minor < 1n || amount.minor > AMOUNT_MAX) return undefined;
  if (currencyDecimals(amount.currency) === undefined) return undefined;
  switch (command.kind) {
    case "deposit": {
      const credit = numberOf(command.account);
      return credit === 0 ? undefined : { debit: 0, credit, amount };
    }
    case "withdraw": {
      const debit = numberOf(command.account);
      return debit === 0 ? undefined : { debit, credit: 0, amount };
    }
    case "transfer": {
      const debit = numberOf(command.from);
      const credit = numberOf(command.to);
      return debit === 0 || credit === 0 ? undefined : { debit, credit, amount };
    }
  }
}

const DIGIT_0 = 48;

/** An account number as it is written by itself; 0 for every other name. */
function numberOf(account: string): number {
  if (typeof account !== "string" || account.length === 0 || account.length > 15) return 0;
  let number = 0;
  for (let i = 0; i < account.length; i++) {
    const digit = account.charCodeAt(i) - DIGIT_0;
    if (digit < 0 || digit > 9 || (digit === 0 && i === 0)) return 0;
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
  /** Sends it in a call of its own. */
  readonly alone: (options: Pick<MutationOptions, "timeoutMs" | "signal" | "requestId">) => Promise<Booked>;
  readonly resolve: (booked: Booked) => void;
  readonly reject: (error: unknown) => void;
}

/** One movement on its way to its answer. */
export class MovementEntry {
  readonly row: RowMovement;
  readonly id: RequestWords;
  readonly preview = false;
  settled = false;
  /** It left this process, at least once. */
  sent = false;
  private tries: CommandTries | undefined;
  private readonly call: EntryCall;

  constructor(row: RowMovement, id: RequestWords, call: EntryCall) {
    this.row = row;
    this.id = id;
    this.call = call;
  }

  /** When its caller stops waiting, by `performance.now()`. */
  get deadlineMs(): number {
    return this.call.deadlineMs;
  }

  /** Ends the call; undefined where only the client itself does. */
  get signal(): AbortSignal | undefined {
    return this.call.signal;
  }

  get requestId(): string {
    return this.id.text;
  }

  /** Why the last try of it failed; undefined before the first. */
  get lastFailure(): AttemptFailure | undefined {
    return this.tries?.lastFailure;
  }

  answered(booked: Booked): void {
    if (this.settled) return;
    this.settled = true;
    this.call.resolve(booked);
  }

  /** Sends it in a call of its own, and waits for the end of that. Never rejects. */
  async goAlone(): Promise<void> {
    if (this.settled) return;
    this.settled = true;
    const { call, signal, requestId } = this;
    const timeoutMs = Math.max(1, Math.floor(call.deadlineMs - performance.now()));
    try {
      call.resolve(await call.alone({ timeoutMs, signal, requestId }));
    } catch (error) {
      // What a try before may have done, a later one that was refused does not know.
      call.reject(error instanceof BankError && this.tries !== undefined ? this.tries.givenUp(error, this) : error);
    }
  }

  /** A try of it failed. Unless another may help, that is the end of it. */
  failed(failure: AttemptFailure): void {
    if (this.settled) return;
    const tries = this.triesNow();
    tries.failed(failure);
    if (!failure.retryable) this.end(tries.error(failure, this));
  }

  /** What became of it is not waited for any more: it ends as this failure says. */
  abandon(failure: AttemptFailure): void {
    if (this.settled) return;
    const tries = this.triesNow();
    // What no try has told, a try that is under way may still do.
    if (this.sent) tries.failed({ ...failure, outcome: "OUTCOME_UNKNOWN" });
    this.end(tries.error(failure, this));
  }

  /** Nothing is tried any more. */
  giveUp(error: BankError): void {
    if (!this.settled) this.end(this.triesNow().givenUp(error, this));
  }

  private triesNow(): CommandTries {
    this.tries ??= new CommandTries();
    return this.tries;
  }

  private end(error: BankError): void {
    this.settled = true;
    this.call.reject(error);
  }
}

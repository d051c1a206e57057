import {
  type AccountIndex,
  type Command,
  type CommandHash,
  type Ledger,
  type LedgerRecord,
  originalsOf,
  type Position,
  RecordKind,
  type RecordList,
  type Refusal,
  type RefusalError,
  type Request,
} from "@bank/core";
import { estimateBytes } from "@bank/journal";
import type { Outcome } from "./outcome.ts";
import type { PlainRequests } from "./plain-requests.ts";

/** A batch whose records answer entries of jobs, once it is durable. */
export interface AnsweringBatch {
  readonly header: { readonly firstPosition: Position; readonly timeMs: number };
  readonly records: RecordList;
}

/** Where entries are executed. */
export interface Execution {
  readonly ledger: Ledger;
  /** Of the batch. */
  readonly records: RecordList;
  readonly plainRequests: PlainRequests;
}

/** Entries of a job that follow each other, as do the records that answer them. */
export interface AnsweredRows {
  readonly first: number;
  readonly count: number;
  /** Of the record that answers the first. */
  readonly position: Position;
}

/** Called once, when the job has its outcome. */
export interface JobCaller<Result> {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: RefusalError) => void;
}

/** One call on its way through the sequencer. What it asks, one by one and in order, are its entries. */
export abstract class Job {
  readonly count: number;
  /** Jobs are executed by ascending number, unless they lack what has to be fetched first. */
  readonly number: number;
  /** An upper bound on what the record of an entry that is carried out plainly adds to a frame. */
  abstract readonly plainBytes: number;
  /** What it takes to answer it, in answers to a call of one entry. */
  abstract readonly answerCost: number;
  /** What was fetched of the earlier records that its entries are decided by. */
  originals: Map<Position, LedgerRecord> | undefined;
  /** Index of the first entry that is not executed yet. */
  next = 0;
  /** Index of its first entry in the batch that is in flight; −1 where none is in it. */
  begunAt = -1;
  /** Entries whose answers are looked up in the store. */
  owed = 0;
  /** Up to here the queue has counted the ids of entries that wait or run. */
  countedTo = 0;
  /** The caller gave up before any entry was executed: none will be. */
  cancelled = false;
  /** All entries are executed, and what came of them is certain: the caller is told when it is its turn, or its time is up. */
  isDue = false;
  /** The caller has its answer, or an error. */
  isTold = false;
  /** Called once, when the caller has its answer. */
  onSettled: (() => void) | undefined;
  /** Earlier records that cannot be fetched because they are damaged: with why whatever is decided by one is refused. */
  private damaged: Map<Position, RefusalError> | undefined;
  private isFinished = false;
  private readonly rejectCaller: (error: RefusalError) => void;

  constructor(options: {
    readonly count: number;
    readonly number: number;
    readonly reject: (error: RefusalError) => void;
  }) {
    this.count = options.count;
    this.number = options.number;
    this.rejectCaller = options.reject;
  }

  /** The request that an entry is. */
  abstract requestAt(index: number): Request;

  abstract hashAt(index: number): CommandHash;

  abstract principalAt(index: number): string;

  /** Writes the id of an entry, as four little-endian words. */
  abstract writeIdAt(index: number, words: Int32Array): void;

  /** Whether any well-formed entry from `from` to before `to` has this key, the id as four little-endian words. */
  abstract hasIdBetween(from: number, to: number, principal: string, words: Int32Array): boolean;

  /** Why an entry is refused whatever the state is; undefined where it is well-formed. */
  abstract refusalAt(index: number): Refusal | undefined;

  /** Number of the remembered request with an entry's key; −1 when it was never answered. */
  abstract rememberedAt(ledger: Ledger, index: number): number;

  /**
   * Carries out entries from `next` on, before `end`, as long as each needs no more than a record of its own and nothing
   * has to be said against it. `next` advances with each.
   */
  abstract runPlain(at: Execution, end: number): void;

  /** What became of an entry; said again, the later one counts. */
  abstract answer(index: number, outcome: Outcome): void;

  /** Entries that records of their own answer, now: of none of them was anything said before. */
  abstract answerRows(rows: AnsweredRows, batch: AnsweringBatch): void;

  /** Tells the caller what became of all entries. */
  protected abstract resolve(): void;

  /** An earlier record cannot be fetched. */
  lose(position: Position, error: RefusalError): void {
    this.damaged ??= new Map();
    this.damaged.set(position, error);
  }

  /** Why a command cannot be decided: it needs a record that is lost. */
  damageFor(command: Command): RefusalError | undefined {
    const { damaged } = this;
    if (damaged === undefined) return undefined;
    const lost = originalsOf(command).find((position) => damaged.has(position));
    return lost === undefined ? undefined : damaged.get(lost);
  }

  /** The batch that is being executed was taken back: its entries are executed again. */
  rewind(): void {
    this.next = this.begunAt;
    this.begunAt = -1;
  }

  /** All entries are executed, and what came of them is durable. */
  finish(): void {
    this.isFinished = true;
    this.originals = undefined;
    this.damaged = undefined;
    this.settleIfDone();
  }

  /** Tells the caller all outcomes, once the job is finished and no answer is owed. */
  settleIfDone(): void {
    if (!this.isFinished || this.owed > 0 || !this.settle()) return;
    this.resolve();
  }

  /** Tells the caller this instead, if it was told nothing. */
  reject(error: RefusalError): void {
    if (this.settle()) this.rejectCaller(error);
  }

  private settle(): boolean {
    if (this.isTold) return false;
    this.isTold = true;
    this.onSettled?.();
    return true;
  }
}

/** An upper bound on what a movement adds to a frame, its actor included. */
export function movementBytes(principal: string): number {
  const account = 0 as AccountIndex;
  const movement = { kind: RecordKind.TRANSFER, debit: account, credit: account, amount: 1n };
  return estimateBytes({ ...movement, principal, branch: 0, request: undefined });
}

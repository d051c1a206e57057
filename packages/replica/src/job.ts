import type { CommandHash, LedgerRecord, Position, Refusal, RefusalError, Request } from "@bank/core";
import type { Outcome } from "./outcome.ts";

/** One call's requests on their way through the sequencer. */
export interface Job {
  readonly requests: readonly Request[];
  readonly hashes: readonly CommandHash[];
  /** Refused whatever the state is, before any look at it. */
  readonly refusals: readonly (Refusal | undefined)[];
  /** Jobs are executed by ascending number, unless they lack what has to be fetched first. */
  readonly number: number;
  /** What was fetched of the earlier records that its requests are decided by. */
  originals: Map<Position, LedgerRecord>;
  /** Index of the first request that is not executed yet. */
  next: number;
  /** Requests whose answers are looked up in the store. */
  owed: number;
  /** The caller gave up before any request was executed: none will be. */
  cancelled: boolean;
  /** The caller has its answer, or an error. */
  readonly isTold: boolean;
  answer(index: number, outcome: Outcome): void;
  /** All requests are executed, and what came of them is durable. */
  finish(): void;
  /** Tells the caller all outcomes, once the job is finished and no answer is owed. */
  settleIfDone(): void;
  reject(error: RefusalError): void;
  /** Called once, when the caller has its answer. */
  onSettled: () => void;
}

/** Makes a job whose caller is told through the two functions, once. */
export function newJob(
  options: Pick<Job, "requests" | "hashes" | "refusals" | "number"> & {
    readonly resolve: (outcomes: Outcome[]) => void;
    readonly reject: (error: RefusalError) => void;
  },
): Job {
  const outcomes: Outcome[] = new Array(options.requests.length);
  let isFinished = false;
  let isTold = false;
  const tell = (told: () => void) => {
    if (isTold) return;
    isTold = true;
    job.onSettled();
    told();
  };
  const job: Job = {
    requests: options.requests,
    hashes: options.hashes,
    refusals: options.refusals,
    number: options.number,
    originals: new Map(),
    next: 0,
    owed: 0,
    cancelled: false,
    get isTold() {
      return isTold;
    },
    onSettled: () => undefined,
    answer: (index, outcome) => {
      outcomes[index] = outcome;
    },
    finish: () => {
      isFinished = true;
      job.originals.clear();
      job.settleIfDone();
    },
    settleIfDone: () => {
      if (isFinished && job.owed === 0) tell(() => options.resolve(outcomes));
    },
    reject: (error) => tell(() => options.reject(error)),
  };
  return job;
}

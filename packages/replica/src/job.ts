import type { CommandHash, Refusal, RefusalError, Request } from "@bank/core";
import type { Outcome } from "./outcome.ts";

/** One call's requests on their way through the sequencer. */
export interface Job {
  readonly requests: readonly Request[];
  readonly hashes: readonly CommandHash[];
  /** Refused whatever the state is, before any look at it. */
  readonly refusals: readonly (Refusal | undefined)[];
  /** Whether any of the requests is decided by the look of an earlier record. */
  readonly needsOriginals: boolean;
  /** Index of the first request that is not executed yet. */
  next: number;
  /** The caller gave up before any request was executed: none will be. */
  cancelled: boolean;
  answer(index: number, outcome: Outcome): void;
  /** Tells the caller all outcomes. */
  settle(): void;
  reject(error: RefusalError): void;
  /** Called once, when the caller has its answer. */
  onSettled: () => void;
}

/** Makes a job whose caller is told through the two functions, once. */
export function newJob(
  options: Pick<Job, "requests" | "hashes" | "refusals" | "needsOriginals"> & {
    readonly resolve: (outcomes: Outcome[]) => void;
    readonly reject: (error: RefusalError) => void;
  },
): Job {
  const outcomes: Outcome[] = new Array(options.requests.length);
  const job: Job = {
    requests: options.requests,
    hashes: options.hashes,
    refusals: options.refusals,
    needsOriginals: options.needsOriginals,
    next: 0,
    cancelled: false,
    onSettled: () => undefined,
    answer: (index, outcome) => {
      outcomes[index] = outcome;
    },
    settle: () => {
      job.onSettled();
      options.resolve(outcomes);
    },
    reject: (error) => {
      job.onSettled();
      options.reject(error);
    },
  };
  return job;
}

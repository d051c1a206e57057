import { type Ledger, RefusalError, type Request } from "@bank/core";
import type { ReplayAnswers } from "./answer-replays.ts";
import type { CountedCommit } from "./counted-commit.ts";
import type { JobQueue } from "./job-queue.ts";

/** Requests that may wait for the sequencer; beyond it callers are told to come back. */
export const QUEUED_REQUESTS_MAX = 100_000;
/** Requests that may wait for answers out of the store, beside those; beyond it retries are told to come back. */
export const REPLAYED_REQUESTS_MAX = 100_000;

export interface AdmissionOptions {
  readonly ledger: Ledger;
  readonly queue: JobQueue;
  readonly replays: ReplayAnswers;
  readonly counted: CountedCommit;
}

/** Says which requests are not even begun, whatever they ask. */
export class Admission {
  private readonly options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.options = options;
  }

  /** OVERLOADED or TOO_FEW_BRANCHES; undefined where the requests can wait their turn. */
  refusal(requests: readonly Request[]): RefusalError | undefined {
    const waiting = this.overload(requests);
    if (waiting !== undefined) return new RefusalError("OVERLOADED", { waiting: String(waiting) });
    return this.tooFew(requests);
  }

  /** How many requests wait already, if these are too many beside them. */
  private overload(requests: readonly Request[]): number | undefined {
    const { queue, replays } = this.options;
    const { waiting } = queue;
    if (waiting + requests.length > QUEUED_REQUESTS_MAX) return waiting;
    const { waiting: replayed } = replays;
    if (replayed + requests.length <= REPLAYED_REQUESTS_MAX) return undefined;
    return replayed + requests.filter((request) => this.isRetry(request)).length > REPLAYED_REQUESTS_MAX
      ? replayed
      : undefined;
  }

  /** What was begun before is not refused: it is answered as soon as it can be. */
  private tooFew(requests: readonly Request[]): RefusalError | undefined {
    const { counted } = this.options;
    const few = counted.tooFew();
    if (few !== undefined) return requests.every((request) => this.isRetry(request)) ? undefined : few;
    const [first] = requests;
    if (requests.length > 1 || first?.command.kind !== "setDurability" || this.isRetry(first)) return undefined;
    return counted.lacking(first.command);
  }

  private isRetry({ principal, id }: Request): boolean {
    const { ledger, queue } = this.options;
    return ledger.findRequest(principal, id) >= 0 || queue.has(principal, id);
  }
}

import { type Ledger, RefusalError } from "@bank/core";
import type { JournalStore } from "@bank/store";
import type { ReplayAnswers } from "./answer-replays.ts";
import type { CountedCommit } from "./counted-commit.ts";
import type { Job } from "./job.ts";
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
  readonly store: Pick<JournalStore, "room">;
}

/** Says which requests are not even begun, whatever they ask. */
export class Admission {
  private readonly options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.options = options;
  }

  /** OVERLOADED, STORE_FULL or TOO_FEW_BRANCHES; undefined where the job can wait its turn. */
  refusal(job: Job): RefusalError | undefined {
    const waiting = this.overload(job);
    if (waiting !== undefined) return new RefusalError("OVERLOADED", { waiting: String(waiting) });
    const full = noRoom(this.options.store);
    return full === undefined ? this.tooFew(job) : this.unlessRetried(job, full);
  }

  /** How many requests wait already, if these are too many beside them. */
  private overload(job: Job): number | undefined {
    const { queue, replays } = this.options;
    const { waiting } = queue;
    if (waiting + job.count > QUEUED_REQUESTS_MAX) return waiting;
    const { waiting: replayed } = replays;
    if (replayed + job.count <= REPLAYED_REQUESTS_MAX) return undefined;
    let retries = 0;
    for (let i = 0; i < job.count; i++) if (this.isRetry(job, i)) retries++;
    return replayed + retries > REPLAYED_REQUESTS_MAX ? replayed : undefined;
  }

  private tooFew(job: Job): RefusalError | undefined {
    const { counted } = this.options;
    const few = counted.tooFew();
    if (few !== undefined) return this.unlessRetried(job, few);
    const command = job.count === 1 ? job.requestAt(0).command : undefined;
    return command?.kind === "setDurability" && !this.isRetry(job, 0) ? counted.lacking(command) : undefined;
  }

  /** What was begun before is not refused: it is answered as soon as it can be. */
  private unlessRetried(job: Job, refusal: RefusalError): RefusalError | undefined {
    for (let i = 0; i < job.count; i++) if (!this.isRetry(job, i)) return refusal;
    return undefined;
  }

  private isRetry(job: Job, index: number): boolean {
    const { ledger, queue } = this.options;
    return job.rememberedAt(ledger, index) >= 0 || queue.hasEntryOf(job, index);
  }
}

/** STORE_FULL; undefined while the store has room, or does not watch it. The numbers are for the log: no customer needs them. */
export function noRoom({ room }: Pick<JournalStore, "room">): RefusalError | undefined {
  return room?.shortage === undefined ? undefined : new RefusalError("STORE_FULL", {});
}

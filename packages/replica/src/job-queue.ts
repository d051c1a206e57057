import { type RequestHasher, type RequestId, writeIdWords } from "@bank/core";
import type { Job } from "./job.ts";
import { JobIds } from "./job-ids.ts";

/** Entries whose ids are counted for one question, at most: it takes less than a millisecond. */
export const COUNTED_PER_QUESTION = 4_096;
/** After so many the counted ids are forgotten: to count those that wait anew is next to nothing beside them. */
export const COUNTED_MAX = 1_000_000;

export interface JobQueueOptions {
  /** Of keys of requests: seeded, so that nobody can choose ids that collide. */
  readonly hasher: Pick<RequestHasher, "hash">;
  /** Jobs that were set aside, and not put back yet. */
  readonly aside: () => Iterable<Job>;
  /** `COUNTED_PER_QUESTION`, unless it is said. */
  readonly countedPerQuestion?: number;
  /** `COUNTED_MAX`, unless it is said. */
  readonly countedMax?: number;
}

/**
 * The jobs that wait to be executed, oldest first, and whether a request waits or runs.
 *
 * As long as nobody asks that, no id is looked at: mostly nobody does, and every request passes through here. A question
 * looks through all, and begins to count their ids, some more with each further question; once all are counted it looks
 * nowhere else. They are kept up until nothing waits, or very many were counted: so whoever asks and asks, at whatever
 * moments, has each id counted hardly more than once, which is little beside executing it.
 */
export class JobQueue {
  private readonly options: JobQueueOptions;
  private ready: Job[] = [];
  private running: readonly Job[] = [];
  private waitingEntries = 0;
  /** Of entries that wait or run, as often as they do, up to `countedTo` of each job; undefined as long as nobody asks. */
  private ids: JobIds | undefined;
  /** Whether those are all. */
  private areAllCounted = false;
  private counted = 0;
  private readonly sought = new Int32Array(4);
  private readonly words = new Int32Array(4);

  constructor(options: JobQueueOptions) {
    this.options = options;
  }

  /** Those that can be executed. `executeBatch` takes them from the front. */
  get jobs(): Job[] {
    return this.ready;
  }

  /** Entries that wait to be executed, also those of jobs that were set aside. */
  get waiting(): number {
    return this.waitingEntries;
  }

  push(job: Job): void {
    this.ready.push(job);
    this.waitingEntries += job.count;
    if (this.ids !== undefined) this.count(this.ids, job, job.count);
  }

  /** Puts jobs that were set aside back to where their age says, ascending by number. */
  putBack(jobs: readonly Job[]): void {
    const newest = jobs.at(-1)?.number ?? 0;
    const after = this.ready.findIndex(({ number }) => number > newest);
    const older = after < 0 ? this.ready.length : after;
    const front = [...jobs, ...this.ready.slice(0, older)].sort((a, b) => a.number - b.number);
    this.ready = front.concat(this.ready.slice(older));
  }

  /** The job will not be executed. It is taken out when its turn comes. */
  cancel(job: Job): void {
    job.cancelled = true;
    this.uncount(job, job.next, job.count);
  }

  /**
   * Entries were executed, or taken out.
   *
   * @param count how many wait no longer.
   * @param jobs those with entries that run from now on.
   */
  taken(count: number, jobs: readonly Job[]): void {
    this.waitingEntries -= count;
    this.running = jobs;
  }

  /** What was executed does not run any more, however it ended. */
  ended(): void {
    for (const job of this.running) {
      this.uncount(job, job.begunAt, job.next);
      job.begunAt = -1;
    }
    this.running = [];
    const { countedMax = COUNTED_MAX } = this.options;
    if (this.ids !== undefined && (this.waitingEntries === 0 || this.counted >= countedMax)) this.forget();
  }

  /**
   * Nothing of what waits will be executed. Gives the jobs.
   *
   * @param aside those that were set aside.
   */
  clear(aside: readonly Job[]): readonly Job[] {
    const jobs = [...this.ready.splice(0), ...aside];
    for (const job of jobs) if (!job.cancelled) this.uncount(job, job.next, job.count);
    this.waitingEntries = 0;
    return jobs;
  }

  /** Whether a well-formed request with this key waits or runs. */
  has(principal: string, id: RequestId): boolean {
    if (this.isIdle()) return false;
    writeIdWords(id, this.sought, 0);
    return this.isHere(principal);
  }

  /** Whether one with the key of this entry does, of a job that is not in here, or not any more. */
  hasEntryOf(job: Job, index: number): boolean {
    if (this.isIdle()) return false;
    job.writeIdAt(index, this.sought);
    return this.isHere(job.principalAt(index));
  }

  private isIdle(): boolean {
    return this.waitingEntries === 0 && this.running.length === 0;
  }

  private isHere(principal: string): boolean {
    this.ids ??= new JobIds(this.options.hasher);
    if (this.ids.has(principal, this.sought)) return true;
    return !this.areAllCounted && this.isUncounted(this.ids, principal);
  }

  /** Looks through what was not counted, and counts some of it. */
  private isUncounted(ids: JobIds, principal: string): boolean {
    const end = this.counted + (this.options.countedPerQuestion ?? COUNTED_PER_QUESTION);
    let areAllCounted = true;
    const isHere = this.someLive((job, to) => {
      const from = uncountedFrom(job);
      if (from >= to) return false;
      const counted = Math.min(to, from + end - this.counted);
      if (counted > from) this.count(ids, job, counted);
      if (counted < to) areAllCounted = false;
      return job.hasIdBetween(from, to, principal, this.sought);
    });
    this.areAllCounted = areAllCounted && !isHere;
    return isHere;
  }

  /**
   * Whether something is so for any job of which entries wait or run, and the end of these. A job of which some run and some
   * wait comes twice.
   */
  private someLive(is: (job: Job, to: number) => boolean): boolean {
    for (const job of this.running) if (is(job, job.next)) return true;
    for (const job of this.ready) if (!job.cancelled && is(job, job.count)) return true;
    for (const job of this.options.aside()) if (!job.cancelled && is(job, job.count)) return true;
    return false;
  }

  /** Counts a job's entries from where that has come to. */
  private count(ids: JobIds, job: Job, to: number): void {
    const { words } = this;
    const from = uncountedFrom(job);
    for (let i = from; i < to; i++) {
      if (job.refusalAt(i) !== undefined) continue;
      job.writeIdAt(i, words);
      ids.add(job.principalAt(i), words);
    }
    this.counted += to - from;
    job.countedTo = to;
  }

  private uncount(job: Job, from: number, to: number): void {
    const { ids, words } = this;
    if (ids === undefined) return;
    const end = Math.min(to, job.countedTo);
    for (let i = from; i < end; i++) {
      if (job.refusalAt(i) !== undefined) continue;
      job.writeIdAt(i, words);
      ids.remove(job.principalAt(i), words);
    }
  }

  private forget(): void {
    this.someLive((job) => {
      job.countedTo = 0;
      return false;
    });
    this.ids = undefined;
    this.areAllCounted = false;
    this.counted = 0;
  }
}

/** Index of a job's first entry that waits or runs and was not counted. */
function uncountedFrom(job: Job): number {
  return Math.max(job.begunAt < 0 ? job.next : job.begunAt, job.countedTo);
}

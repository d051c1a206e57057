import type { RequestId } from "@bank/core";
import type { Job } from "./job.ts";
import { JobIds } from "./job-ids.ts";

export interface JobQueueOptions {
  /** Of a request id. */
  readonly hash: (id: RequestId) => number;
  /** Jobs that were set aside, and not put back yet. */
  readonly aside: () => Iterable<Job>;
}

/**
 * The jobs that wait to be executed, oldest first, and whether a request waits or runs. The ids of those that do are
 * collected when somebody asks, and then kept up until a batch ends before which nobody asked again: mostly nobody does,
 * and every request passes through here.
 */
export class JobQueue {
  private readonly options: JobQueueOptions;
  private ready: Job[] = [];
  private running: readonly Job[] = [];
  private waitingEntries = 0;
  /** Of entries that wait or run, as often as they do; undefined as long as nobody asks. */
  private ids: JobIds | undefined;
  private wasAsked = false;

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
    if (this.ids !== undefined) countIds(this.ids, job, 0, job.count, 1);
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
    if (this.ids !== undefined) countIds(this.ids, job, job.next, job.count, -1);
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
      if (this.ids !== undefined && this.wasAsked) countIds(this.ids, job, job.begunAt, job.next, -1);
      job.begunAt = -1;
    }
    this.running = [];
    if (!this.wasAsked) this.ids = undefined;
    this.wasAsked = false;
  }

  /**
   * Nothing of what waits will be executed. Gives the jobs.
   *
   * @param aside those that were set aside.
   */
  clear(aside: readonly Job[]): readonly Job[] {
    const jobs = [...this.ready.splice(0), ...aside];
    const { ids } = this;
    if (ids !== undefined) for (const job of jobs) if (!job.cancelled) countIds(ids, job, job.next, job.count, -1);
    this.waitingEntries = 0;
    return jobs;
  }

  /** Whether a well-formed request with this key waits or runs. */
  has(principal: string, id: RequestId): boolean {
    this.wasAsked = true;
    this.ids ??= this.collectIds();
    return this.ids.has(principal, id);
  }

  private collectIds(): JobIds {
    const ids = new JobIds(this.options.hash);
    for (const job of this.running) countIds(ids, job, job.begunAt, job.next, 1);
    for (const jobs of [this.ready, this.options.aside()])
      for (const job of jobs) if (!job.cancelled) countIds(ids, job, job.next, job.count, 1);
    return ids;
  }
}

function countIds(ids: JobIds, job: Job, from: number, to: number, change: 1 | -1): void {
  for (let i = from; i < to; i++) {
    if (job.refusalAt(i) !== undefined) continue;
    if (change > 0) ids.add(job.principalAt(i), job.idAt(i));
    else ids.remove(job.principalAt(i), job.idAt(i));
  }
}

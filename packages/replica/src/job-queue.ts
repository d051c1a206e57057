import type { Request, RequestId } from "@bank/core";
import type { Job } from "./job.ts";
import { JobIds } from "./job-ids.ts";

/** The jobs that wait to be executed, oldest first, and the ids of all requests that wait or run. */
export class JobQueue {
  private ready: Job[] = [];
  private waitingRequests = 0;
  /** Of requests that wait or run, as often as they do. */
  private readonly ids: JobIds;

  /** @param hash of a request id. */
  constructor(hash: (id: RequestId) => number) {
    this.ids = new JobIds(hash);
  }

  /** Those that can be executed. `executeBatch` takes them from the front. */
  get jobs(): Job[] {
    return this.ready;
  }

  /** Requests that wait to be executed, also those of jobs that were set aside. */
  get waiting(): number {
    return this.waitingRequests;
  }

  push(job: Job): void {
    this.ready.push(job);
    this.waitingRequests += job.requests.length;
    this.countIds(job, 0, job.requests.length, 1);
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
    this.countIds(job, job.next, job.requests.length, -1);
  }

  /** So many requests are executed, or were taken out, and run from now on. */
  taken(count: number): void {
    this.waitingRequests -= count;
  }

  /**
   * What was executed does not run any more, however it ended.
   *
   * @param begun where each job began.
   */
  ended(begun: ReadonlyMap<Job, number>): void {
    for (const [job, first] of begun) this.countIds(job, first, job.next, -1);
  }

  /**
   * Nothing of what waits will be executed. Gives the jobs.
   *
   * @param aside those that were set aside.
   */
  clear(aside: readonly Job[]): readonly Job[] {
    const jobs = [...this.ready.splice(0), ...aside];
    for (const job of jobs) if (!job.cancelled) this.countIds(job, job.next, job.requests.length, -1);
    this.waitingRequests = 0;
    return jobs;
  }

  /** Whether a well-formed request with this key waits or runs. */
  has(principal: string, id: RequestId): boolean {
    return this.ids.has(principal, id);
  }

  private countIds({ requests, refusals }: Job, from: number, to: number, change: 1 | -1): void {
    for (let i = from; i < to; i++) {
      if (refusals[i] !== undefined) continue;
      const { principal, id } = requests[i] as Request;
      if (change > 0) this.ids.add(principal, id);
      else this.ids.remove(principal, id);
    }
  }
}

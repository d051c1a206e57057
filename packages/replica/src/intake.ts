import {
  checkOrders,
  type Ledger,
  type MovementOrders,
  type RefusalError,
  type Request,
  type RequestId,
} from "@bank/core";
import type { Admission } from "./admission.ts";
import { checkActor } from "./check-request.ts";
import type { CountedCommit } from "./counted-commit.ts";
import type { Job } from "./job.ts";
import { OrdersJob } from "./job-of-orders.ts";
import { RequestsJob } from "./job-of-requests.ts";
import type { JobQueue } from "./job-queue.ts";
import type { OrdersOutcome } from "./orders-outcome.ts";
import type { Outcome } from "./outcome.ts";
import { deadlineExceeded, refusalError, refusalFor } from "./refusals.ts";

export interface IntakeOptions {
  readonly ledger: Ledger;
  readonly queue: JobQueue;
  readonly admission: Admission;
  readonly counted: CountedCommit;
  /** Why nothing is taken any more; undefined as long as it is. */
  readonly whyNot: () => RefusalError | undefined;
  /** Called with the queue longer by a job. */
  readonly onTaken: () => void;
}

/** Puts what callers ask into the queue, and tells them when it does not get there, or they no longer wait. */
export class Intake {
  private readonly options: IntakeOptions;
  private jobs = 0;

  constructor(options: IntakeOptions) {
    this.options = options;
  }

  /** As `Sequencer.submit`. */
  submit(requests: readonly Request[], signal: AbortSignal | undefined): Promise<Outcome[]> {
    return new Promise<Outcome[]>((resolve, reject) => {
      this.take(new RequestsJob(requests, this.jobs++, { resolve, reject }), signal);
    });
  }

  /** As `Sequencer.submitOrders`. */
  submitOrders(orders: MovementOrders, signal: AbortSignal | undefined): Promise<OrdersOutcome> {
    const malformed = checkActor(orders) ?? checkOrders(orders);
    if (malformed !== undefined) return Promise.reject(refusalError(malformed));
    return new Promise<OrdersOutcome>((resolve, reject) => {
      this.take(new OrdersJob(orders, this.jobs++, { resolve, reject }), signal);
    });
  }

  /** Whether a request with this key waits its turn, or was executed at a position behind this one. */
  isInProgress(principal: string, id: RequestId, committed: number): boolean {
    const { ledger, queue } = this.options;
    const entry = ledger.findRequest(principal, id);
    return entry >= 0 ? ledger.requests.positionOf(entry) > committed : queue.has(principal, id);
  }

  /** Tells the caller of a job that is not in the queue, or not any more, why the rest of it is not executed. */
  refuse(job: Job, error: RefusalError): void {
    const { ledger, queue } = this.options;
    job.reject(refusalFor(ledger, queue, job, error));
  }

  private take(job: Job, signal: AbortSignal | undefined): void {
    const { queue, admission, whyNot, onTaken } = this.options;
    const refusal = whyNot() ?? (signal?.aborted ? deadlineExceeded() : admission.refusal(job));
    if (refusal !== undefined) {
      this.refuse(job, refusal);
      return;
    }
    if (signal !== undefined) this.abortWith(signal, job);
    queue.push(job);
    onTaken();
  }

  private abortWith(signal: AbortSignal, job: Job): void {
    const { queue, counted } = this.options;
    const onAbort = () => {
      // Its answer is there, and only waits until those of others have left.
      if (job.isDue) job.finish();
      if (job.isTold) return;
      // A job that was begun stays: its effects are real, only its caller no longer waits.
      const late = job.begunAt >= 0 ? counted.late() : undefined;
      if (job.next === 0 && !job.cancelled) queue.cancel(job);
      this.refuse(job, late ?? deadlineExceeded());
    };
    signal.addEventListener("abort", onAbort, { once: true });
    job.onSettled = () => signal.removeEventListener("abort", onAbort);
  }
}

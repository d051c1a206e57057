import {
  apply,
  assert,
  BATCH_BYTES_TARGET,
  BATCH_RECORDS_MAX,
  beginBatch,
  type CommandHash,
  decide,
  formatRequestId,
  type Ledger,
  type LedgerRecord,
  type Mark,
  mark,
  type Position,
  RECORDS_PER_COMMAND_MAX,
  type Refusal,
  RefusalError,
  type Request,
  rollback,
  toHex,
} from "@bank/core";
import { estimateBytes } from "@bank/journal";
import type { Outcome } from "./outcome.ts";
import { errorText, type Log } from "./platform.ts";

/** One call's requests on their way through the sequencer. */
export interface Job {
  readonly requests: readonly Request[];
  readonly hashes: readonly CommandHash[];
  /** Index of the first request that is not executed yet. */
  next: number;
  /** The caller gave up before any request was executed: none will be. */
  cancelled: boolean;
  /** Refused whatever the state is, before any look at it. */
  readonly refusals: readonly (Refusal | undefined)[];
  answer(index: number, outcome: Outcome): void;
  /** Tells the caller all outcomes. */
  settle(): void;
  reject(error: RefusalError): void;
  /** Called once, when the caller has its answer. */
  onSettled: () => void;
}

/** Makes a job whose caller is told through the two functions, once. */
export function newJob(options: {
  readonly requests: readonly Request[];
  readonly hashes: readonly CommandHash[];
  readonly refusals: readonly (Refusal | undefined)[];
  readonly resolve: (outcomes: Outcome[]) => void;
  readonly reject: (error: RefusalError) => void;
}): Job {
  const outcomes: Outcome[] = new Array(options.requests.length);
  const job: Job = {
    requests: options.requests,
    hashes: options.hashes,
    refusals: options.refusals,
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

/** A request whose answer is a record of this batch. */
interface FromRecord {
  readonly job: Job;
  readonly index: number;
  readonly position: Position;
  /** undefined where the record itself is the answer. */
  readonly error: RefusalError | undefined;
  readonly replayed: boolean;
}

/** A request whose answer is a record of an earlier batch. */
export interface Replay {
  readonly job: Job;
  readonly index: number;
  readonly position: Position;
}

/** A batch that was executed on the ledger, and is not durable yet. */
export class ExecutedBatch {
  readonly mark: Mark;
  readonly timeMs: number;
  readonly records: LedgerRecord[] = [];
  /** How many of the first records are the bank's own. */
  systemRecords = 0;
  /** Requests taken from the queue. */
  taken = 0;
  readonly replays: Replay[] = [];
  /** Jobs of which no request is left in the queue. */
  readonly finished: Job[] = [];
  /** Jobs of which a request was executed here. */
  readonly jobs = new Set<Job>();
  private readonly fromRecords: FromRecord[] = [];

  constructor(ledger: Ledger, timeMs: number) {
    this.mark = mark(ledger);
    this.timeMs = timeMs;
  }

  addFromRecord(entry: FromRecord): void {
    this.fromRecords.push(entry);
  }

  /** The batch is durable: its records are answers. */
  answerFromRecords(): void {
    for (const { job, index, position, error, replayed } of this.fromRecords) {
      if (error !== undefined) {
        job.answer(index, { kind: "refused", error });
        continue;
      }
      const record = this.records[position - this.mark.position - 1];
      assert(record !== undefined, "an answer is a record of its batch");
      job.answer(index, { kind: "answered", record, position, timeMs: this.timeMs, replayed });
    }
  }

  /** The batch was not stored: nothing that was computed from it leaves, whatever it was. */
  refuseFromRecords(error: RefusalError): void {
    for (const { job, index } of this.fromRecords) job.answer(index, { kind: "refused", error });
  }
}

export interface ExecuteOptions {
  readonly ledger: Ledger;
  readonly timeMs: number;
  /** The bank's own records: they come first. */
  readonly systemRecords: readonly LedgerRecord[];
  /** Taken from the front. */
  readonly queue: Job[];
  readonly log: Log;
}

/**
 * Executes as much of the queue as one batch holds. A command on which the ledger throws fails alone: the batch is
 * taken back and executed again without it.
 * Throws: `InvariantError` when the ledger cannot be brought back.
 */
export function executeBatch(options: ExecuteOptions): ExecutedBatch {
  const { ledger, queue, log } = options;
  const starts = new Map(queue.map((job) => [job, job.next]));
  const failed = new Map<Request, RefusalError>();
  for (;;) {
    const batch = new ExecutedBatch(ledger, options.timeMs);
    const attempt = new Attempt(options, batch, failed);
    try {
      attempt.run();
    } catch (cause) {
      rollbackBatch(ledger, batch);
      for (const [job, next] of starts) job.next = next;
      const culprit = attempt.current;
      if (culprit === undefined || failed.has(culprit)) throw cause;
      const incident = toHex(culprit.id.subarray(0, 8));
      log.error("a command failed inside the ledger", { incident, problem: errorText(cause) });
      failed.set(culprit, new RefusalError("INTERNAL", { incident }, "NOT_APPLIED", { cause }));
      continue;
    }
    queue.splice(0, attempt.jobsDone);
    // Without a record the batch leaves no trace in the journal: its time must not stay in the state either.
    if (batch.records.length === 0) rollbackBatch(ledger, batch);
    return batch;
  }
}

/** Takes an executed batch back from the ledger. */
export function rollbackBatch(ledger: Ledger, batch: ExecutedBatch): void {
  rollback(ledger, batch.mark, batch.records);
}

/** One try at executing a batch. */
class Attempt {
  /** The request that is being executed. */
  current: Request | undefined;
  /** Jobs at the front of the queue that are done with. */
  jobsDone = 0;
  private readonly options: ExecuteOptions;
  private readonly batch: ExecutedBatch;
  private readonly failed: ReadonlyMap<Request, RefusalError>;
  private bytes = 0;

  constructor(options: ExecuteOptions, batch: ExecutedBatch, failed: ReadonlyMap<Request, RefusalError>) {
    this.options = options;
    this.batch = batch;
    this.failed = failed;
  }

  run(): void {
    const { ledger, timeMs, systemRecords, queue } = this.options;
    beginBatch(ledger, timeMs);
    for (const record of systemRecords) this.apply(record);
    this.batch.systemRecords = systemRecords.length;
    for (const job of queue) {
      if (!this.runJob(job)) return;
      this.jobsDone++;
    }
  }

  /** False when the batch is full before the job is done. */
  private runJob(job: Job): boolean {
    const { batch } = this;
    if (job.cancelled) {
      batch.taken += job.requests.length - job.next;
      return true;
    }
    batch.jobs.add(job);
    while (job.next < job.requests.length) {
      if (this.isFull()) return false;
      this.runRequest(job, job.next);
      job.next++;
      batch.taken++;
    }
    batch.finished.push(job);
    return true;
  }

  private isFull(): boolean {
    return this.batch.records.length + RECORDS_PER_COMMAND_MAX > BATCH_RECORDS_MAX || this.bytes > BATCH_BYTES_TARGET;
  }

  private runRequest(job: Job, index: number): void {
    const { ledger } = this.options;
    const request = job.requests[index] as Request;
    const hash = job.hashes[index] as CommandHash;
    const refusal = job.refusals[index];
    const failure = this.failed.get(request);
    if (failure !== undefined || refusal !== undefined) {
      const error = failure ?? new RefusalError((refusal as Refusal).reason, (refusal as Refusal).metadata);
      job.answer(index, { kind: "refused", error });
      return;
    }
    this.current = request;
    const entry = ledger.findRequest(request.principal, request.id);
    if (entry >= 0) {
      const position = ledger.requests.positionOf(entry);
      const isSame = ledger.requests.hasHash(entry, hash.low, hash.high);
      this.answerAgain(job, index, position, isSame ? undefined : reused(request, position));
    } else {
      for (const record of decide(ledger, request, hash)) this.apply(record);
      this.batch.addFromRecord({ job, index, position: ledger.position, error: undefined, replayed: false });
    }
    this.current = undefined;
  }

  /** The request id was used before: in this batch, whose commit its answer then waits for, or earlier. */
  private answerAgain(job: Job, index: number, position: Position, error: RefusalError | undefined): void {
    if (position > this.batch.mark.position) this.batch.addFromRecord({ job, index, position, error, replayed: true });
    else if (error === undefined) this.batch.replays.push({ job, index, position });
    else job.answer(index, { kind: "refused", error });
  }

  private apply(record: LedgerRecord): void {
    apply(this.options.ledger, record);
    this.batch.records.push(record);
    this.bytes += estimateBytes(record);
  }
}

function reused(request: Request, position: Position): RefusalError {
  return new RefusalError("REQUEST_ID_REUSED", {
    position: String(position),
    request_id: formatRequestId(request.id),
  });
}

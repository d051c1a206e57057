import {
  apply,
  assert,
  BATCH_BYTES_TARGET,
  BATCH_RECORDS_MAX,
  beginBatch,
  type CommandHash,
  decide,
  dueHolds,
  InvariantError,
  type Ledger,
  type LedgerRecord,
  originalsOf,
  type Position,
  RECORDS_PER_COMMAND_MAX,
  RefusalError,
  type Request,
  recordsMax,
} from "@bank/core";
import { estimateBytes } from "@bank/journal";
import { ExecutedBatch, rollbackBatch } from "./executed-batch.ts";
import type { Job } from "./job.ts";
import type { PlainRequests } from "./plain-requests.ts";
import { errorText, type Log } from "./platform.ts";
import { internalError, isAnsweredBy, refusalError, reused } from "./refusals.ts";

export interface ExecuteOptions {
  readonly ledger: Ledger;
  readonly timeMs: number;
  /** The bank's own records: they come first. */
  readonly systemRecords: readonly LedgerRecord[];
  /** Jobs are taken from the front. */
  readonly queue: Job[];
  /** Of the ledger. */
  readonly plainRequests: PlainRequests;
  readonly log: Log;
}

/** Entries on which the ledger threw, by index. */
type Failed = Map<Job, Map<number, RefusalError>>;

/**
 * Executes as much of the queue as one batch holds: behind the bank's own records, and behind the end of the holds whose
 * time has come. A job whose next entry lacks an original is passed over. An entry on which the ledger throws fails
 * alone: the batch is taken back and executed again without it.
 * Throws: `InvariantError` when the ledger cannot be brought back.
 */
export function executeBatch(options: ExecuteOptions): ExecutedBatch {
  const { ledger, queue, log } = options;
  const failed: Failed = new Map();
  const expected = options.systemRecords.length + entriesOf(queue);
  for (;;) {
    const batch = new ExecutedBatch(ledger, options.timeMs, expected);
    const attempt = new Attempt(options, batch, failed);
    try {
      attempt.run();
    } catch (cause) {
      takeBack(ledger, batch, cause);
      const { current: job } = attempt;
      const index = job?.next ?? 0;
      if (job === undefined || failed.get(job)?.has(index)) throw cause;
      const entries = failed.get(job) ?? new Map<number, RefusalError>();
      failed.set(job, entries.set(index, internalError(log, job.requestAt(index), cause)));
      for (const begun of batch.jobs) begun.rewind();
      continue;
    }
    queue.splice(0, batch.jobsPassed);
    options.plainRequests.endBatch();
    // Nothing to write: the time of this batch is no journal time either.
    if (batch.records.length === 0) rollbackBatch(ledger, batch);
    return batch;
  }
}

/** How many entries a batch will take from the front, about: mostly each gives a record. */
function entriesOf(queue: readonly Job[]): number {
  let entries = 0;
  for (const job of queue) {
    if (!job.cancelled) entries += job.count - job.next;
    if (entries >= BATCH_RECORDS_MAX) return BATCH_RECORDS_MAX;
  }
  return entries;
}

/** Throws what stands in the way of it, with the reason why the batch had to be taken back. */
function takeBack(ledger: Ledger, batch: ExecutedBatch, reason: unknown): void {
  try {
    rollbackBatch(ledger, batch);
  } catch (error) {
    const first = `a command failed inside the ledger: ${errorText(reason)}`;
    // The first is where it began: whoever follows the causes comes to its trace.
    throw new InvariantError(`${first}; and it could not be taken back: ${errorText(error)}`, { cause: reason });
  }
}

/** One try at executing a batch. */
class Attempt {
  /** The job whose next entry is being executed. */
  current: Job | undefined;
  private readonly options: ExecuteOptions;
  private readonly batch: ExecutedBatch;
  private readonly failed: Failed;
  private bytes = 0;

  constructor(options: ExecuteOptions, batch: ExecutedBatch, failed: Failed) {
    this.options = options;
    this.batch = batch;
    this.failed = failed;
  }

  run(): void {
    const { ledger, timeMs, systemRecords, queue } = this.options;
    beginBatch(ledger, timeMs);
    for (const record of systemRecords) this.apply(record);
    // No command sees a hold whose time has come as open.
    if (!this.endDueHolds()) return;
    for (const job of queue) {
      const end = this.runJob(job);
      if (end === "full") return;
      if (end === "lacking") this.batch.lacking.push(job);
      this.batch.jobsPassed++;
    }
  }

  /** False when more holds are due than the batch has room for. */
  private endDueHolds(): boolean {
    const { ledger, timeMs } = this.options;
    const { records } = this.batch;
    for (let record = dueHolds(ledger); record !== undefined; record = dueHolds(ledger)) {
      const fits = records.length < BATCH_RECORDS_MAX && this.bytes + estimateBytes(record) <= BATCH_BYTES_TARGET;
      if (!fits) {
        assert(records.length > 0, "the end of some holds fits into a batch of its own");
        return false;
      }
      this.apply(record);
    }
    const nextMs = ledger.nextExpiryMs();
    assert(nextMs === undefined || nextMs > timeMs, "behind the end of all due holds none is due");
    return true;
  }

  /** Whether the job is done, lacks an original, or has to wait for the next batch because this one is full. */
  private runJob(job: Job): "done" | "lacking" | "full" {
    const { batch } = this;
    if (job.cancelled) {
      batch.taken += job.count - job.next;
      return "done";
    }
    while (job.next < job.count) {
      this.runPlain(job);
      if (job.next === job.count) break;
      const end = this.runNext(job);
      if (end !== "done") return end;
    }
    batch.finished.push(job);
    return "done";
  }

  /** Carries out entries as long as that is plain, and there is room for what any other may take. */
  private runPlain(job: Job): void {
    const { batch, failed } = this;
    const { records } = batch;
    const first = job.next;
    const room = Math.min(
      BATCH_RECORDS_MAX - batch.taken,
      BATCH_RECORDS_MAX - records.length - RECORDS_PER_COMMAND_MAX + 1,
      Math.floor((BATCH_BYTES_TARGET - this.bytes) / job.plainBytes) + 1,
    );
    let end = Math.min(job.count, first + room);
    for (const index of failed.get(job)?.keys() ?? NONE) if (index >= first) end = Math.min(end, index);
    if (end <= first) return;
    const { ledger, plainRequests } = this.options;
    const position = ledger.position + 1;
    this.current = job;
    try {
      job.runPlain({ ledger, records, plainRequests }, end);
    } finally {
      if (job.next > first) batch.begin(job, first);
    }
    this.current = undefined;
    const count = job.next - first;
    if (count === 0) return;
    batch.addRows(job, first, count, position);
    batch.taken += count;
    this.bytes += count * job.plainBytes;
  }

  private runNext(job: Job): "done" | "lacking" | "full" {
    const { batch } = this;
    const index = job.next;
    const error = this.errorOf(job, index);
    if (error !== undefined) {
      // First of all: what is malformed may be of any size.
      batch.begin(job, index);
      job.answer(index, { kind: "refused", error, position: 0 });
    } else {
      const request = job.requestAt(index);
      if (this.isFull(request)) return "full";
      if (this.lacksOriginals(job, request)) return "lacking";
      batch.begin(job, index);
      this.runRequest(job, index, request);
    }
    job.next++;
    batch.taken++;
    return "done";
  }

  /** Why an entry is not even looked at. */
  private errorOf(job: Job, index: number): RefusalError | undefined {
    const error = this.failed.get(job)?.get(index);
    if (error !== undefined) return error;
    const refusal = job.refusalAt(index);
    return refusal && refusalError(refusal);
  }

  /** However many bytes the next command takes, a batch that is not over its target still fits into a frame. */
  private isFull({ command }: Request): boolean {
    const { records, taken } = this.batch;
    // What leaves no record takes its time too.
    if (taken >= BATCH_RECORDS_MAX) return true;
    return records.length + recordsMax(command) > BATCH_RECORDS_MAX || this.bytes > BATCH_BYTES_TARGET;
  }

  /** Whether an earlier record is needed that was not fetched yet: then the job waits for it. */
  private lacksOriginals(job: Job, { principal, id, command }: Request): boolean {
    const needed = originalsOf(command);
    if (needed.length === 0) return false;
    const { ledger } = this.options;
    const isLacking = (position: Position) =>
      position > 0 && position <= this.batch.mark.position && !job.originals?.has(position);
    // It is not waited for what one that is lost makes of no use.
    const mayWait = ledger.findRequest(principal, id) < 0 && job.damageFor(command) === undefined;
    return mayWait && needed.some(isLacking);
  }

  private runRequest(job: Job, index: number, request: Request): void {
    const { ledger } = this.options;
    this.current = job;
    const hash = job.hashAt(index);
    const entry = ledger.findRequest(request.principal, request.id);
    if (entry >= 0) {
      const position = ledger.requests.positionOf(entry);
      const isSame = isAnsweredBy(ledger, entry, request, hash);
      this.answerAgain(job, index, position, isSame ? undefined : reused(request, position));
    } else {
      const decided = job.damageFor(request.command) ?? this.decide(job, request, hash);
      if (decided instanceof RefusalError) {
        this.refuse(job, index, decided);
      } else {
        for (const record of decided) this.apply(record);
        this.batch.addFromBatch({ job, index, position: ledger.position, error: undefined, replayed: false });
      }
    }
    this.current = undefined;
  }

  /** The records, or the refusal of what must not use up its id. */
  private decide(job: Job, request: Request, hash: CommandHash): readonly LedgerRecord[] | RefusalError {
    try {
      return decide(this.options.ledger, request, hash, (position) => this.recordAt(job, position));
    } catch (error) {
      if (error instanceof RefusalError) return error;
      throw error;
    }
  }

  private recordAt(job: Job, position: Position): LedgerRecord | undefined {
    const { firstPosition, records } = this.batch;
    return position < firstPosition ? job.originals?.get(position) : records.at(position - firstPosition);
  }

  /** The request id was used before: in this batch, whose commit its answer then waits for, or earlier. */
  private answerAgain(job: Job, index: number, position: Position, error: RefusalError | undefined): void {
    if (position >= this.batch.firstPosition) this.batch.addFromBatch({ job, index, position, error, replayed: true });
    else if (error === undefined) this.batch.replays.push({ job, index, position, isAnswered: false });
    else job.answer(index, { kind: "refused", error, position });
  }

  /** Computed from all that was executed so far: where that is not committed yet, neither leaves the refusal. */
  private refuse(job: Job, index: number, error: RefusalError): void {
    const { position } = this.options.ledger;
    this.batch.isComputed = true;
    if (position < this.batch.firstPosition) job.answer(index, { kind: "refused", error, position });
    else this.batch.addFromBatch({ job, index, position, error, replayed: false });
  }

  private apply(record: LedgerRecord): void {
    apply(this.options.ledger, record);
    this.batch.records.push(record);
    this.bytes += estimateBytes(record);
  }
}

const NONE: readonly number[] = [];

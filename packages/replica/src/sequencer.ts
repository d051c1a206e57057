import {
  assert,
  type CommandHash,
  type EpochEntry,
  type FailureOutcome,
  hashCommand,
  type Ledger,
  type LedgerRecord,
  type Position,
  RecordKind,
  RefusalError,
  type Request,
  SYSTEM_PRINCIPAL,
} from "@bank/core";
import { encodeFrame, nextHash, type Replay } from "@bank/journal";
import type { JournalStore, StoredBatch } from "@bank/store";
import { AppendRefusedError } from "@bank/store/errors";
import { answerReplays } from "./answer-replays.ts";
import { Appender } from "./appender.ts";
import { checkRequest } from "./check-request.ts";
import { type ExecutedBatch, executeBatch, type Job, newJob, rollbackBatch } from "./execute-batch.ts";
import { JournalClock } from "./journal-clock.ts";
import type { Outcome } from "./outcome.ts";
import { errorText, type Platform } from "./platform.ts";
import { PositionWatch } from "./position-watch.ts";

/** Requests that may wait for the sequencer; beyond it callers are told to come back. */
export const QUEUED_REQUESTS_MAX = 100_000;

export interface SequencerOptions {
  readonly replay: Replay;
  readonly store: JournalStore;
  readonly platform: Platform;
  /** Called after each commit, in order, before any reply leaves. Must not throw. */
  readonly onCommitted: (batch: StoredBatch) => void;
  /** Called once when the sequencer cannot go on. The process should stop and start again. */
  readonly onFatal: (error: unknown) => void;
}

/**
 * The one place that decides the order. Everything that queued up while the last append was in flight becomes the next
 * batch: executed on the ledger, encoded once, appended once. Nobody is answered before the append is durable, whatever
 * the answer is.
 *
 * At most one batch is in flight, so the ledger is either at the committed position, or one batch ahead of it.
 */
export class Sequencer {
  private readonly options: SequencerOptions;
  private readonly ledger: Ledger;
  private readonly clock: JournalClock;
  private readonly appender: Appender;
  private readonly queue: Job[] = [];
  private readonly systemRecords: LedgerRecord[] = [];
  private readonly committed: PositionWatch;
  private queuedRequests = 0;
  private running: Promise<void> | undefined;
  /** Jobs with requests in the batch that is in flight. */
  private inFlight: ReadonlySet<Job> = new Set();
  /** Counts the batches that were taken back: what was read meanwhile is read again. */
  private rollbacks = 0;
  /** Why nothing more is written. */
  private stopped: RefusalError | undefined;
  /** Why nothing can be trusted any more: memory may be ahead of the journal, or another bank may write it. */
  private failure: RefusalError | undefined;
  /** Aborts when nobody waits for the end of a doubt any more. */
  private readonly draining = new AbortController();

  constructor(options: SequencerOptions) {
    this.options = options;
    this.ledger = options.replay.ledger;
    this.clock = new JournalClock(options.platform, this.ledger.timeMs);
    this.appender = new Appender(options);
    this.committed = new PositionWatch(this.ledger.position);
  }

  /** Everything up to here is durable; nothing behind it is shown to anybody. */
  get committedPosition(): Position {
    return this.committed.current;
  }

  /** Why neither reads nor positions of this bank hold any more; undefined as long as they do. */
  get failed(): RefusalError | undefined {
    return this.failure;
  }

  /** Resolves once the position is committed. Rejects when the signal aborts or the sequencer stops for good. */
  whenCommitted(position: Position, signal?: AbortSignal): Promise<void> {
    return this.committed.reached(position, signal);
  }

  /**
   * Begins a new epoch and commits its record. Comes first: before it nobody is answered.
   * Rejects with what the store rejects with, and with what it was told to stop with.
   */
  async beginEpoch(options: { readonly lossAccepted: boolean }): Promise<EpochEntry> {
    const number = (this.ledger.currentEpoch()?.number ?? 0) + 1;
    const id = this.options.platform.randomBytes(16);
    const { bankId } = this.options.replay;
    await this.options.store.fence(number);
    // Told meanwhile, or before a later try: by a close, or for a follower that holds what is missing here.
    if (this.stopped !== undefined) throw this.stopped;
    const position = this.ledger.position + 1;
    this.pushSystem({ ...system, kind: RecordKind.EPOCH_BEGUN, number, id, bankId, ...options });
    await this.committed.reached(position);
    const epoch = this.ledger.currentEpoch();
    assert(epoch?.number === number, "the new epoch is the current one");
    return epoch;
  }

  /** Puts the proof of a snapshot into the journal, with the next batch. */
  recordStateRoot(position: Position, root: Uint8Array): void {
    if (this.stopped === undefined) this.pushSystem({ ...system, kind: RecordKind.STATE_ROOT, position, root });
  }

  /**
   * Decides the requests in their order and resolves once every answer is durable: one outcome for each, in order.
   * Requests of other callers may come between them.
   *
   * Rejects with `RefusalError`: NOT_READY, LOSS_DETECTED, OVERLOADED; DEADLINE_EXCEEDED when the signal aborts. Its
   * outcome is NOT_APPLIED if none of the requests was begun, by this call or an earlier one; else OUTCOME_UNKNOWN.
   * Idempotent: by (principal, request id) of each request.
   */
  submit(requests: readonly Request[], signal?: AbortSignal): Promise<Outcome[]> {
    if (this.stopped !== undefined) return Promise.reject(this.refusalOf(requests, this.stopped));
    if (signal?.aborted) return Promise.reject(this.refusalOf(requests, deadlineExceeded()));
    if (this.queuedRequests + requests.length > QUEUED_REQUESTS_MAX) {
      const overloaded = new RefusalError("OVERLOADED", { waiting: String(this.queuedRequests) });
      return Promise.reject(this.refusalOf(requests, overloaded));
    }
    const refusals = requests.map(checkRequest);
    const hashes: CommandHash[] = requests.map(({ command }) => hashCommand(command));
    return new Promise<Outcome[]>((resolve, reject) => {
      const job = newJob({ requests, hashes, refusals, resolve, reject });
      if (signal !== undefined) this.abortWith(signal, job);
      this.queue.push(job);
      this.queuedRequests += requests.length;
      this.pump();
    });
  }

  /**
   * Reads the newest state, and resolves once everything that was read is durable. Should what was read be taken back,
   * it reads again. Rejects with `RefusalError`: NOT_READY, DEADLINE_EXCEEDED; and with what `query` throws.
   */
  async read<T>(query: (ledger: Ledger) => T, signal?: AbortSignal): Promise<{ value: T; position: Position }> {
    for (;;) {
      if (this.failure !== undefined) throw this.failure;
      const { rollbacks } = this;
      const value = query(this.ledger);
      const { position } = this.ledger;
      if (position <= this.committed.current) return { value, position };
      try {
        await this.committed.reached(position, signal);
      } catch (error) {
        if (rollbacks === this.rollbacks) throw error instanceof RefusalError ? error : deadlineExceeded();
      }
      if (rollbacks === this.rollbacks) return { value, position };
    }
  }

  /**
   * Stops taking requests, answers those that wait, and resolves when the last append is done. An append in doubt is
   * tried once more; what then is still in doubt is for the next start to settle. Idempotent.
   */
  async drain(): Promise<void> {
    this.stopped ??= new RefusalError("NOT_READY", { problem: "it is shutting down" });
    this.draining.abort();
    while (this.running !== undefined) await this.running;
  }

  /** Refuses all writes from now on, with this error, also those that wait. Reads go on. */
  stopWriting(error: RefusalError): void {
    this.stopped ??= error;
    this.refuseQueue(error);
  }

  private pushSystem(record: LedgerRecord): void {
    this.systemRecords.push(record);
    this.pump();
  }

  private abortWith(signal: AbortSignal, job: Job): void {
    const onAbort = () => {
      // A job that was begun stays: its effects are real, only its caller no longer waits.
      job.reject(this.refusalOf(job, deadlineExceeded()));
      if (job.next === 0) job.cancelled = true;
    };
    signal.addEventListener("abort", onAbort, { once: true });
    job.onSettled = () => signal.removeEventListener("abort", onAbort);
  }

  private pump(): void {
    if (this.running !== undefined) return;
    const { platform, onFatal } = this.options;
    // What else is ready now joins the batch; with nothing else ready the batch goes at once.
    this.running = new Promise<void>((resolve) => platform.defer(resolve))
      .then(() => this.run())
      .catch((error: unknown) => {
        this.failAll(error);
        onFatal(error);
      })
      .finally(() => {
        this.running = undefined;
        if (this.hasWork()) this.pump();
      });
  }

  private hasWork(): boolean {
    return this.queue.length > 0 || this.systemRecords.length > 0;
  }

  private async run(): Promise<void> {
    while (this.hasWork()) {
      const batch = executeBatch({
        ledger: this.ledger,
        timeMs: this.clock.now(this.ledger.timeMs),
        systemRecords: this.systemRecords,
        queue: this.queue,
        log: this.options.platform.log,
      });
      this.queuedRequests -= batch.taken;
      this.inFlight = batch.jobs;
      if (batch.records.length > 0) await this.commit(batch);
      await answerReplays(this.options.store, batch.replays);
      this.inFlight = new Set();
      for (const job of batch.finished) job.settle();
    }
  }

  private async commit(batch: ExecutedBatch): Promise<void> {
    const { replay, onCommitted } = this.options;
    const stored = this.encode(batch);
    try {
      const epoch = this.ledger.currentEpoch()?.number ?? 0;
      await this.appender.appendSettled(stored, { epoch, giveUp: this.draining.signal });
    } catch (error) {
      if (!(error instanceof AppendRefusedError)) throw error;
      this.takeBack(batch, error);
      return;
    }
    replay.chainHash = stored.chainHash;
    this.ledger.forgetUndo(stored.lastPosition);
    this.systemRecords.splice(0, batch.systemRecords);
    this.committed.advance(stored.lastPosition);
    onCommitted(stored);
    batch.answerFromRecords();
  }

  private encode(batch: ExecutedBatch): StoredBatch {
    const { replay, platform } = this.options;
    const epoch = this.ledger.currentEpoch();
    assert(epoch !== undefined, "a batch is written under an epoch");
    const firstPosition = batch.mark.position + 1;
    const frame = encodeFrame(
      {
        epochId: epoch.id,
        firstPosition,
        timeMs: this.ledger.timeMs,
        digestAfter: this.ledger.digestBytes(),
        committedPosition: this.committed.current,
      },
      batch.records,
    );
    return {
      firstPosition,
      lastPosition: this.ledger.position,
      frame,
      previousHash: replay.chainHash,
      chainHash: nextHash(platform.sha256, replay.chainHash, frame),
    };
  }

  /** Certainly nothing of the batch was stored: memory goes back to what is committed, and its callers are told. */
  private takeBack(batch: ExecutedBatch, error: AppendRefusedError): void {
    this.options.platform.log.error("journal append refused", { problem: error.message });
    rollbackBatch(this.ledger, batch);
    this.rollbacks++;
    this.committed.rejectWaiters(new RefusalError("STORE_REFUSED", { problem: error.message }));
    batch.refuseFromRecords(
      new RefusalError("STORE_REFUSED", { problem: error.message }, "NOT_APPLIED", { cause: error }),
    );
    // Whoever wanted one of the bank's own records learned it by the rejection above, or can do without.
    this.systemRecords.splice(0, batch.systemRecords);
  }

  private failAll(error: unknown): void {
    const failure = new RefusalError("NOT_READY", { problem: `the journal failed: ${errorText(error)}` });
    this.failure = failure;
    this.stopped = failure;
    this.committed.fail(failure);
    for (const job of this.inFlight) job.reject(this.refusalOf(job, failure));
    this.refuseQueue(failure);
  }

  private refuseQueue(error: RefusalError): void {
    for (const job of this.queue.splice(0)) job.reject(this.refusalOf(job, error));
    this.systemRecords.length = 0;
    this.queuedRequests = 0;
  }

  /** The error for a caller whose requests, or the rest of them, will not be executed. */
  private refusalOf(target: Job | readonly Request[], error: RefusalError): RefusalError {
    const { reason, metadata } = error.refusal;
    return new RefusalError(reason, metadata, this.outcomeOf(target), { cause: error });
  }

  /** An id that the ledger knows was begun by an earlier try: then nobody may say that nothing was applied. */
  private outcomeOf(target: Job | readonly Request[]): FailureOutcome {
    if ("next" in target) return target.next > 0 ? "OUTCOME_UNKNOWN" : this.outcomeOf(target.requests);
    const isKnown = target.some(({ principal, id }) => this.ledger.findRequest(principal, id) >= 0);
    return isKnown ? "OUTCOME_UNKNOWN" : "NOT_APPLIED";
  }
}

/** Who acts in the bank's own records. */
const system = { principal: SYSTEM_PRINCIPAL, branch: 0, request: undefined } as const;

function deadlineExceeded(): RefusalError {
  return new RefusalError("DEADLINE_EXCEEDED", { waiting_for: "the journal" });
}

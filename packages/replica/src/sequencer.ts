import {
  assert,
  type EpochEntry,
  FORMAT_LEVEL_MAX,
  type Ledger,
  type LedgerRecord,
  type MovementOrders,
  nextLine,
  type Position,
  RecordKind,
  RefusalError,
  type Request,
  RequestHasher,
  type RequestId,
  SYSTEM_PRINCIPAL,
} from "@bank/core";
import type { FrameReader, Replay } from "@bank/journal";
import type { JournalStore, StoredBatch } from "@bank/store";
import { AppendRefusedError, LeaseLostError } from "@bank/store/errors";
import { abortable } from "./abortable.ts";
import { rowsOfBatch } from "./account-rows.ts";
import { Admission, noRoom } from "./admission.ts";
import { answerInTurns, answersHaveLeft } from "./answer-in-turns.ts";
import { ReplayAnswers } from "./answer-replays.ts";
import { Appender, mayPass } from "./appender.ts";
import { CountedCommit, type CountedCopies } from "./counted-commit.ts";
import { encodeBatch } from "./encode-batch.ts";
import { executeBatch } from "./execute-batch.ts";
import { type ExecutedBatch, rollbackBatch } from "./executed-batch.ts";
import { ExpirySchedule } from "./expiry-schedule.ts";
import { Intake } from "./intake.ts";
import type { Job } from "./job.ts";
import { JobQueue } from "./job-queue.ts";
import { JournalClock } from "./journal-clock.ts";
import { Leasehold } from "./leasehold.ts";
import type { CountedSetting } from "./members.ts";
import { nextTurn } from "./next-turn.ts";
import type { OrdersOutcome } from "./orders-outcome.ts";
import { Originals } from "./originals.ts";
import type { Outcome } from "./outcome.ts";
import { PassingTime } from "./passing-time.ts";
import { PlainRequests } from "./plain-requests.ts";
import type { Platform } from "./platform.ts";
import { PositionWatch } from "./position-watch.ts";
import { readFramePatiently } from "./read-frame-patiently.ts";
import type { Recovered } from "./recover.ts";
import { deadlineExceeded, notLeader, storeRefusal } from "./refusals.ts";

/** So long a bank that closes waits for copies to acknowledge its last batch. */
const COPIES_DRAIN_MS = 1_000;

export interface SequencerOptions {
  readonly replay: Replay;
  /** What is certainly committed of it. */
  readonly settled: Pick<Recovered, "committedPosition" | "durability">;
  /** Where the journal says so, a batch is committed only once enough of them have it. */
  readonly copies: CountedCopies;
  readonly store: JournalStore;
  readonly platform: Platform;
  /** Called once a batch is on the bank's disk, in order. It is committed in the same turn unless copies count. Must not throw. */
  readonly onAppended: (batch: StoredBatch) => void;
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
 * At most one batch is in flight, so the ledger is either at the committed position, or one batch ahead of it. What has
 * to be read from the store, of earlier answers and of originals, is read beside the batches: only those wait for it who
 * asked for it.
 */
export class Sequencer {
  readonly leasehold: Leasehold;
  private readonly options: SequencerOptions;
  private readonly ledger: Ledger;
  private readonly clock: JournalClock;
  private readonly appender: Appender;
  private readonly queue: JobQueue;
  private readonly systemRecords: LedgerRecord[] = [];
  private readonly committed: PositionWatch;
  private readonly time: PassingTime;
  private readonly plainRequests: PlainRequests;
  private readonly originals: Originals;
  private readonly replays: ReplayAnswers;
  private readonly expiries: ExpirySchedule;
  private readonly counted: CountedCommit;
  private readonly intake: Intake;
  /** Where the journal ended that this sequencer goes on with. */
  private readonly startPosition: Position;
  private running: Promise<void> | undefined;
  /** Jobs with entries in the batch that is in flight. */
  private inFlight: readonly Job[] = [];
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
    this.plainRequests = new PlainRequests(this.ledger);
    this.clock = new JournalClock(options.platform, this.ledger.timeMs);
    this.leasehold = new Leasehold({
      ...options,
      committedPosition: () => this.committed.current,
      onLost: (error) => {
        this.fail(error);
      },
    });
    this.appender = new Appender({ ...options, recover: () => this.leasehold.recover() });
    this.startPosition = this.ledger.position;
    this.counted = new CountedCommit(this.ledger, options.copies, options.settled.durability);
    this.committed = new PositionWatch(options.settled.committedPosition);
    this.time = new PassingTime({
      ledger: this.ledger,
      platform: options.platform,
      nowMs: () => this.nowMs(),
      whyNot: () => this.stopped ?? noRoom(options.store) ?? this.counted.tooFew(),
      tick: () => this.tick(),
    });
    const { platform } = options;
    const [seed = 0] = new Int32Array(platform.randomBytes(4).slice().buffer);
    this.queue = new JobQueue({ hasher: new RequestHasher(seed), aside: () => this.originals.aside });
    const read = (position: Position) => this.readFrame(position);
    const onFailed = (error: unknown) => {
      if (this.draining.signal.aborted && this.isStoreAway(error))
        this.failAll(new RefusalError("NOT_READY", { problem: "it is shutting down, and its store cannot be read" }));
      else this.fail(error);
    };
    this.replays = new ReplayAnswers({ platform, read, onFailed });
    const { ledger, queue, replays, counted } = this;
    const { store } = options;
    this.intake = new Intake({
      ledger,
      queue,
      counted,
      admission: new Admission({ ledger, queue, replays, counted, store }),
      whyNot: () => this.stopped,
      onTaken: () => this.pump(),
    });
    this.originals = new Originals({
      ledger: this.ledger,
      platform,
      committedPosition: () => this.committed.current,
      read,
      onReady: (jobs) => {
        this.queue.putBack(jobs);
        this.pump();
      },
      onFailed,
    });
    this.expiries = new ExpirySchedule({
      ledger: this.ledger,
      platform: options.platform,
      nowMs: () => this.nowMs(),
      mayWrite: () => this.stopped === undefined && this.hasBegun(),
      onRing: () => this.pump(),
    });
  }

  /** Everything up to here is durable; nothing behind it is shown to anybody. */
  get committedPosition(): Position {
    return this.committed.current;
  }

  /** Which copies count by what is committed. */
  get durability(): CountedSetting {
    return this.counted.setting;
  }

  /** Which copies count by that, and by what is about to be committed; empty where none do. */
  get settingsInForce(): readonly CountedSetting[] {
    return this.counted.inForce;
  }

  /** Why neither reads nor positions of this bank hold any more; undefined as long as they do. */
  get failed(): RefusalError | undefined {
    return this.failure;
  }

  /** Journal time now, Unix milliseconds: what a batch that is executed at once would have. */
  nowMs(): number {
    return this.clock.now(this.ledger.timeMs);
  }

  /**
   * Begins a new epoch and commits its record. Comes first: before it nobody is answered. A new journal is raised to the
   * newest level of the format right behind it; an older one only if it is asked for.
   * Rejects with what the store rejects with, and with what it was told to stop with.
   */
  async beginEpoch(options: {
    readonly lossAccepted: boolean;
    readonly raiseFormatLevel: boolean;
  }): Promise<EpochEntry> {
    const { lossAccepted } = options;
    const newest = this.ledger.currentEpoch()?.number ?? 0;
    // What was lost may have named higher numbers, and whoever saw them would take this bank for one that was replaced.
    const number = lossAccepted ? nextLine(newest) : newest + 1;
    const id = this.options.platform.randomBytes(16);
    const { bankId } = this.options.replay;
    await this.fence(number);
    // Told meanwhile, or before a later try: by a close, or for a follower that holds what is missing here.
    if (this.stopped !== undefined) throw this.stopped;
    const position = this.ledger.position + 1;
    const raises = (options.raiseFormatLevel || position === 1) && this.ledger.formatLevel < FORMAT_LEVEL_MAX;
    this.pushSystem(
      { ...system, kind: RecordKind.EPOCH_BEGUN, number, id, bankId, lossAccepted },
      ...(raises ? [{ ...system, kind: RecordKind.FORMAT_LEVEL_RAISED, level: FORMAT_LEVEL_MAX } as const] : []),
    );
    await this.committed.reached(position);
    const epoch = this.ledger.currentEpoch();
    assert(epoch?.number === number, "the new epoch is the current one");
    return epoch;
  }

  /** Where the store has a lease, its connections may break, and its time pass, in the middle of a start as at any other time. */
  private fence(number: number): Promise<void> {
    if (!this.leasehold.isLeased) return this.options.store.fence(number);
    return this.appender.untilKnown((store) => store.fence(number), this.draining.signal);
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
   * outcome is NOT_APPLIED if none of the requests was begun, by this call or an earlier one, nor waits by another; else
   * OUTCOME_UNKNOWN.
   * Idempotent: by (principal, request id) of each request.
   */
  submit(requests: readonly Request[], signal?: AbortSignal): Promise<Outcome[]> {
    return this.intake.submit(requests, signal);
  }

  /**
   * The same for movements in columns, which are not changed any more. Rejects besides with `RefusalError`
   * INVALID_REQUEST where any of them is malformed: then none is decided.
   */
  submitOrders(orders: MovementOrders, signal?: AbortSignal): Promise<OrdersOutcome> {
    return this.intake.submitOrders(orders, signal);
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
      const stuck = this.counted.stuck();
      if (stuck !== undefined) throw stuck;
      try {
        await this.committed.reached(position, signal);
      } catch (error) {
        if (rollbacks === this.rollbacks) throw error instanceof RefusalError ? error : deadlineExceeded();
      }
      if (rollbacks === this.rollbacks) return { value, position };
    }
  }

  /** Whether a request with this key waits its turn, or was executed in a batch that is not committed yet. */
  isInProgress(principal: string, id: RequestId): boolean {
    return this.intake.isInProgress(principal, id, this.committed.current);
  }

  /**
   * Resolves with a committed position whose journal time is later than this moment, so that what is before it can
   * never change. Where nothing else is written meanwhile, a record of the passing time is; many who ask share it.
   * Rejects with `RefusalError`: TIME_IN_FUTURE, FORMAT_LEVEL_TOO_LOW, NOT_READY, LOSS_DETECTED, STORE_REFUSED,
   * DEADLINE_EXCEEDED.
   *
   * @param timeMs Unix milliseconds.
   */
  async passTime(timeMs: number, signal?: AbortSignal): Promise<Position> {
    if (this.failure !== undefined) throw this.failure;
    await this.time.passed(timeMs, signal);
    return this.committed.current;
  }

  /**
   * Stops taking requests, answers those that wait, and resolves when the last append is done. An append in doubt is
   * tried once more; what then is still in doubt is for the next start to settle. Idempotent.
   */
  async drain(): Promise<void> {
    this.stopped ??= new RefusalError("NOT_READY", { problem: "it is shutting down" });
    this.expiries.cancel();
    // Copies that count may be about to acknowledge what is on the bank's disk.
    if (this.counted.awaited !== undefined) await this.runningFor(COPIES_DRAIN_MS);
    this.draining.abort();
    for (;;) {
      const work = this.running ?? this.originals.running ?? this.replays.running;
      if (work === undefined) return;
      await work;
    }
  }

  private async runningFor(ms: number): Promise<void> {
    const over = new AbortController();
    const isLate = this.options.platform.delay(ms, over.signal).catch(() => {
      // It ended before.
    });
    await Promise.race([this.running, isLate]);
    over.abort();
  }

  /** Refuses all writes from now on, with this error, also those that wait. Reads go on. */
  stopWriting(error: RefusalError): void {
    this.stopped ??= error;
    this.expiries.cancel();
    this.refuseQueue(error);
  }

  /** Memory, or the journal, cannot be trusted any more: nobody is answered from it, and `onFatal` is told, once. */
  fail(error: unknown): RefusalError {
    if (this.failure !== undefined) return this.failure;
    const failure =
      error instanceof LeaseLostError
        ? notLeader("another server has taken over the store that they share", error.holder)
        : new RefusalError("NOT_READY", { problem: "its journal failed" });
    this.leasehold.end();
    this.failAll(failure);
    this.options.onFatal(error);
    return failure;
  }

  private pushSystem(...records: readonly LedgerRecord[]): void {
    this.systemRecords.push(...records);
    this.pump();
  }

  /** Has the next batch say that time passes, if nobody has asked for it yet. */
  private tick(): void {
    if (!this.systemRecords.some(({ kind }) => kind === RecordKind.TIME_TICKED))
      this.pushSystem({ ...system, kind: RecordKind.TIME_TICKED });
  }

  private pump(): void {
    this.running ??= this.runAll();
  }

  private async runAll(): Promise<void> {
    try {
      // What else is ready now joins the batch; with nothing else ready the batch goes at once.
      await nextTurn(this.options.platform);
      await this.run();
    } catch (error) {
      this.fail(error);
    } finally {
      this.running = undefined;
      if (this.hasWork()) this.pump();
      else this.expiries.sleep();
    }
  }

  private hasWork(): boolean {
    return this.queue.jobs.length > 0 || this.systemRecords.length > 0 || this.expiries.isDue();
  }

  /** Whether the ledger is in an epoch of this sequencer. */
  private hasBegun(): boolean {
    return (this.ledger.currentEpoch()?.firstPosition ?? 0) > this.startPosition;
  }

  private async run(): Promise<void> {
    while (this.hasWork()) {
      const batch = executeBatch({
        ledger: this.ledger,
        timeMs: this.nowMs(),
        systemRecords: this.systemRecords.splice(0),
        queue: this.queue.jobs,
        plainRequests: this.plainRequests,
        log: this.options.platform.log,
      });
      assert(!batch.isEmpty, "there is work, and each turn does some of it");
      this.queue.taken(batch.taken, batch.jobs);
      this.inFlight = batch.jobs;
      this.originals.wait(batch.lacking);
      try {
        const isCommitted = batch.records.length > 0 && (await this.commit(batch));
        // What is refused by the state as this bank knows it says nothing once there is another bank.
        if (!isCommitted && batch.isComputed) await this.confirmHold();
      } finally {
        this.queue.ended();
      }
      this.inFlight = [];
      if (this.failure === undefined) this.replays.add(batch.replays);
      await answerInTurns(batch.finished, this.options.platform);
      // Room for more originals, now that some were used.
      this.originals.wait([]);
      // An embedded store appends without giving others their turn: answers leave first, and what is ready joins.
      await answersHaveLeft(this.options.platform);
    }
  }

  private readFrame(position: Position): Promise<FrameReader> {
    return readFramePatiently(position, {
      store: this.options.store,
      platform: this.options.platform,
      appender: this.appender,
      giveUp: this.draining.signal,
      isWaitedFor: (error) => this.failure === undefined && this.isStoreAway(error),
    });
  }

  private isStoreAway(error: unknown): boolean {
    return this.leasehold.isLeased && mayPass(error);
  }

  /** Gives false where the batch was taken back, or nobody is answered any more. */
  private async commit(batch: ExecutedBatch): Promise<boolean> {
    const { options } = this;
    const { replay, onCommitted } = options;
    const stored = encodeBatch(batch, { replay, sha256: options.platform.sha256, committed: this.committed.current });
    try {
      const epoch = this.ledger.currentEpoch()?.number ?? 0;
      // At most one batch is in flight, so that the ledger stays at its end.
      const accounts = () => rowsOfBatch(this.ledger, batch.records);
      // The epoch's own record is the first batch. Without it nobody could read either.
      const fromReserve = this.committed.current <= this.startPosition;
      await this.appender.appendSettled(stored, { epoch, accounts, fromReserve, giveUp: this.draining.signal });
    } catch (error) {
      if (!(error instanceof AppendRefusedError)) throw error;
      this.takeBack(batch, error);
      return false;
    }
    options.onAppended(stored);
    const settings = this.counted.settings();
    if (settings !== undefined && !(await this.isCounted(stored.lastPosition, settings))) return false;
    replay.chainHash = stored.chainHash;
    this.ledger.forgetUndo(stored.lastPosition);
    this.counted.committed();
    this.committed.advance(stored.lastPosition);
    this.time.committed.advance(batch.timeMs);
    this.expiries.committed();
    onCommitted(stored);
    batch.answerFromBatch();
    return true;
  }

  /**
   * Waits until enough copies have an appended batch. It is never taken back: where the bank is told to stop before, nobody
   * is answered, and the next start settles it. False then.
   */
  private async isCounted(position: Position, settings: readonly CountedSetting[]): Promise<boolean> {
    try {
      await this.counted.stored(position, settings, this.draining.signal);
      return true;
    } catch {
      const problem = `it is shutting down, and position ${position} is not on the disks of enough branches yet`;
      this.failAll(new RefusalError("NOT_READY", { problem }));
      return false;
    }
  }

  /** Where the bank is told to stop before it is sure, nobody is answered. */
  private async confirmHold(): Promise<void> {
    try {
      await abortable(this.leasehold.confirmed(), this.draining.signal, () => this.draining.signal.reason);
    } catch {
      const problem = "it is shutting down, and its store does not say whether it is still the bank";
      if (this.failure === undefined) this.failAll(new RefusalError("NOT_READY", { problem }));
    }
  }

  /** Certainly nothing of the batch was stored: memory goes back to what is committed, and its callers are told. */
  private takeBack(batch: ExecutedBatch, error: AppendRefusedError): void {
    this.options.platform.log.error("journal append refused", { problem: error.message });
    rollbackBatch(this.ledger, batch);
    this.rollbacks++;
    this.expiries.refused();
    // Whoever wanted one of the bank's own records learns it by these, or can do without.
    const refusal = storeRefusal(error);
    this.committed.rejectWaiters(refusal);
    this.time.committed.rejectWaiters(refusal);
    batch.refuseFromBatch(refusal);
  }

  private failAll(failure: RefusalError): void {
    this.failure = failure;
    this.stopped = failure;
    this.expiries.cancel();
    this.committed.fail(failure);
    this.time.committed.fail(failure);
    for (const job of [...this.inFlight, ...this.replays.clear()]) this.intake.refuse(job, failure);
    this.refuseQueue(failure);
  }

  private refuseQueue(error: RefusalError): void {
    for (const job of this.queue.clear(this.originals.clear())) this.intake.refuse(job, error);
    this.systemRecords.length = 0;
    this.time.committed.rejectWaiters(error);
  }
}

/** Who acts in the bank's own records. */
const system = { principal: SYSTEM_PRINCIPAL, branch: 0, request: undefined } as const;

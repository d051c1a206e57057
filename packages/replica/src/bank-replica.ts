import {
  assert,
  checkSession,
  invalidSession,
  type Ledger,
  type MovementOrders,
  type Position,
  RefusalError,
  type Request,
  type RequestId,
  type Session,
  sessionAt,
} from "@bank/core";
import type { Replay } from "@bank/journal";
import type { JournalStore } from "@bank/store";
import { abortable } from "./abortable.ts";
import { catchUpRows } from "./account-rows.ts";
import { mayPass } from "./appender.ts";
import { BankBeginning } from "./bank-beginning.ts";
import { closeStore } from "./close-store.ts";
import type { Consistency, ReadResult } from "./consistency.ts";
import { momentOf } from "./freshness.ts";
import { type FollowerHead, JournalFeed } from "./journal-feed.ts";
import { epochAt, epochNumberAt, type JournalHead } from "./journal-head.ts";
import { Leadership } from "./leadership.ts";
import { LostCopies } from "./lost-copies.ts";
import { lostSession } from "./lost-session.ts";
import type { MemberReport, Propagation, PropagationAsked } from "./member.ts";
import { CONNECTED_MS, Members } from "./members.ts";
import type { OrdersOutcome } from "./orders-outcome.ts";
import type { CommittedRecord, Outcome, Preview, RequestStatus } from "./outcome.ts";
import type { Platform } from "./platform.ts";
import { Previewer, type RenderPreview } from "./preview.ts";
import type { ReadIndex } from "./read-gate.ts";
import { type Recovered, recover } from "./recover.ts";
import { recoverWarm } from "./recover-warm.ts";
import { deadlineExceeded } from "./refusals.ts";
import { Sequencer } from "./sequencer.ts";
import { Snapshotter } from "./snapshotter.ts";
import { tellWarnings } from "./store-warnings.ts";
import { forReader, readRecordAt } from "./stored-records.ts";
import { findLosses, LossDetectedError, type Witness } from "./witness.ts";

export interface BankOptions {
  /** Not opened yet; `BankReplica` opens and closes it. */
  readonly store: JournalStore;
  readonly platform: Platform;
  /** A snapshot is taken after this many records. */
  readonly snapshotEveryRecords: number;
  /**
   * What a server that waited for its turn has of the journal in memory: asked for once the store is open, and used where the store
   * leads to it.
   */
  readonly headStart?: () => Promise<Replay | undefined>;
  /** Asks everybody who may know how far the journal once went. Called after the recovery, before anything is written. */
  readonly askWitnesses: (ledger: Ledger) => Promise<readonly Witness[]>;
  /** An operator has said that what witnesses have and the journal lacks is given up. */
  readonly acceptLoss: boolean;
  /** An operator has said that all who read the journal know the newest level of its format. A new journal begins at it. */
  readonly raiseFormatLevel: boolean;
  /** Called once if the bank cannot go on; the process should stop. */
  readonly onFatal: (error: unknown) => void;
  /** Called after each commit. */
  readonly onCommitted: (head: FollowerHead) => void;
}

export interface SubmitOptions {
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
  /** What the caller has seen. */
  readonly session?: Session | undefined;
}

/** Recovers from what the server had when its turn came. Gives undefined where that is nothing, or of no use. */
async function recoverFromHeadStart(
  { store, platform, headStart }: BankOptions,
  bankId: Uint8Array,
): Promise<Recovered | undefined> {
  const warm = await headStart?.();
  return warm && recoverWarm(store, { bankId, warm, platform });
}

/** The one truth: recovers the ledger, begins an epoch, decides and answers. Holds no transport and no file. */
export class BankReplica {
  readonly feed: JournalFeed;
  readonly recovered: Recovered;
  /** The copies that follow the journal, as they report. */
  readonly members: Members;
  private readonly options: BankOptions;
  private readonly sequencer: Sequencer;
  private readonly previewer: Previewer;
  private readonly snapshotter: Snapshotter;
  private readonly leadership: Leadership;
  private readonly lostCopies: LostCopies;
  private readonly closing = new AbortController();
  private readonly beginning: BankBeginning;
  private replacement: RefusalError | undefined;
  /** Others can take the store that they share with this bank. */
  private hasLeft = false;

  /**
   * Opens the store, recovers, asks the witnesses, and commits the record of a new epoch. Before the witnesses have
   * spoken nothing is written, not even whose store it is.
   * Rejects with: what `JournalStore.open` rejects with; `CorruptStoreError`; `LossDetectedError`.
   */
  static async open(options: BankOptions): Promise<BankReplica> {
    const { store, platform } = options;
    const state = await store.open();
    let bank: BankReplica | undefined;
    tellWarnings(store, platform.log);
    try {
      const bankId = state.bankId ?? platform.randomBytes(16);
      // What proves to be of no use is let go of first: there is memory for one state, not for two.
      const recovered = (await recoverFromHeadStart(options, bankId)) ?? (await recover(store, bankId, platform));
      const witnesses = await options.askWitnesses(recovered.replay.ledger);
      const losses = await findLosses(store, recovered.replay.ledger, witnesses);
      if (losses.length > 0 && !options.acceptLoss) throw new LossDetectedError(losses);
      if (state.bankId === undefined) await store.initialize(bankId);
      await catchUpRows(store, recovered.replay.ledger, platform.log);
      bank = new BankReplica(options, recovered);
      const began = momentOf(platform);
      await bank.beginning.begin({ lossAccepted: losses.length > 0, raiseFormatLevel: options.raiseFormatLevel });
      if (!bank.isAwaitingCopies) bank.leadership.wasBank(began);
      void bank.leadership.keepCurrent(bank.closing.signal);
      return bank;
    } catch (error) {
      // Its store may be opened again by somebody else, who then has the lease.
      bank?.sequencer.leasehold.end();
      await closeStore(options);
      throw error;
    }
  }

  private constructor(options: BankOptions, recovered: Recovered) {
    const { store, platform } = options;
    const { replay } = recovered;
    this.options = options;
    this.recovered = recovered;
    this.members = new Members({
      platform,
      ledger: replay.ledger,
      committedPosition: () => this.committedPosition,
      settings: () => this.sequencer.settingsInForce,
      hadPredecessor: replay.ledger.position > 0,
      onWanted: (reportPosition) => this.feed.ask({ reportPosition }),
      onEcho: (echo) => this.feed.ask({ echo }),
    });
    this.feed = new JournalFeed({
      store,
      sha256: platform.sha256,
      appendedPosition: replay.ledger.position,
      committedPosition: recovered.committedPosition,
      // Once the record of its epoch is on disk, followers may have it: they must, where they have to acknowledge it.
      whyClosed: () => this.replacement ?? this.beginning.suspension,
    });
    this.sequencer = new Sequencer({
      replay,
      settled: recovered,
      copies: this.members,
      store,
      platform,
      onAppended: (batch) => {
        this.feed.push(batch);
        this.beginning.appended();
      },
      onCommitted: (batch) => {
        this.feed.commit(batch.lastPosition);
        // After a failure memory may be wrong, while an append that was on its way is still told of.
        if (this.sequencer.failed === undefined) this.snapshotter.afterBatch();
        options.onCommitted({ position: batch.lastPosition, chainHash: batch.chainHash });
      },
      onFatal: (error) => {
        this.leave();
        options.onFatal(error);
      },
    });
    this.beginning = new BankBeginning({
      platform,
      recovered,
      sequencer: this.sequencer,
      feed: this.feed,
      members: this.members,
      closing: this.closing.signal,
      onFatal: options.onFatal,
    });
    this.leadership = new Leadership({
      platform,
      members: this.members,
      settings: () => this.sequencer.settingsInForce,
      leasehold: this.sequencer.leasehold,
      readIndex: () => this.readIndex(),
    });
    this.lostCopies = new LostCopies({
      platform,
      members: this.members,
      setting: () => this.sequencer.durability,
      submit: (request) => this.submit([request]),
    });
    this.previewer = new Previewer({ sequencer: this.sequencer, store, platform });
    this.snapshotter = new Snapshotter(
      {
        replay,
        store,
        platform,
        everyRecords: options.snapshotEveryRecords,
        onSaved: ({ position, root }) => this.sequencer.recordStateRoot(position, root),
      },
      recovered.snapshotPosition,
    );
  }

  get bankId(): Uint8Array {
    return this.replay.bankId;
  }

  get committedPosition(): Position {
    return this.sequencer.committedPosition;
  }

  private get replay(): Replay {
    return this.recovered.replay;
  }

  /**
   * Decides requests in their order; one outcome for each, all durable.
   * Rejects with `RefusalError`, also SESSION_LOST and SESSION_INVALID.
   */
  async submit(requests: readonly Request[], options: SubmitOptions = {}): Promise<Outcome[]> {
    this.checkWrite();
    if (options.session !== undefined) await this.requireSession(options.session, options.signal);
    return this.sequencer.submit(requests, options.signal);
  }

  /**
   * The same for movements in columns: each entry is decided as `requestOfOrder` of it would be. The columns are not changed
   * any more. Rejects as `submit`, and with INVALID_REQUEST where any of them is malformed: then none is decided.
   */
  async submitOrders(orders: MovementOrders, options: SubmitOptions = {}): Promise<OrdersOutcome> {
    this.checkWrite();
    if (options.session !== undefined) await this.requireSession(options.session, options.signal);
    return this.sequencer.submitOrders(orders, options.signal);
  }

  /**
   * Reads the newest durable state, which satisfies every consistency.
   * Rejects with `RefusalError`, also POSITION_IN_FUTURE.
   */
  async read<T>(consistency: Consistency, query: (ledger: Ledger) => T, signal?: AbortSignal): Promise<ReadResult<T>> {
    // What it has in memory may never have been committed.
    const { awaited } = this.beginning;
    if (awaited !== undefined) throw this.replacement ?? awaited;
    const asked = momentOf(this.options.platform);
    if (consistency.mode !== "local") {
      if (this.suspended !== undefined) throw this.suspended;
      if (consistency.session !== undefined) await this.requireSession(consistency.session, signal);
      if (consistency.mode === "position") await this.requireCommitted(consistency.position, signal);
      if (consistency.mode === "linearizable") await this.leadership.confirmed(signal);
      if (consistency.mode === "bounded") await this.leadership.confirmedWithin(consistency.maxStalenessMs, signal);
    }
    const result = await this.readDurable(query, signal);
    if (consistency.mode !== "bounded" || this.leadership.isCurrent(consistency.maxStalenessMs, asked)) return result;
    // The store held the state up, and the bound went by meanwhile.
    await this.leadership.confirmed(signal);
    return this.readDurable(query, signal);
  }

  private async readDurable<T>(query: (ledger: Ledger) => T, signal: AbortSignal | undefined): Promise<ReadResult<T>> {
    const { value, position } = await this.sequencer.read(query, signal);
    return { value, ...this.stateAt(position) };
  }

  /**
   * Says what would become of a request now, and changes nothing. An id that was answered before gets that answer, or is
   * refused as another request's, as `submit` does it. The answer leaves only once what it was computed from is durable.
   * Rejects with `RefusalError`: NOT_READY, DEADLINE_EXCEEDED.
   */
  async preview<T>(request: Request, render: RenderPreview<T>, signal?: AbortSignal): Promise<Preview<T>> {
    if (this.suspended !== undefined) throw this.suspended;
    // What would become of it now: on a state that was the newest after the question.
    await this.leadership.confirmed(signal);
    return this.previewer.preview(request, render, signal);
  }

  /**
   * What became of a request. Rejects with `RefusalError`: NOT_READY, DEADLINE_EXCEEDED.
   *
   * @param principal who made it.
   */
  async outcomeOf(principal: string, id: RequestId, signal?: AbortSignal): Promise<ReadResult<RequestStatus>> {
    if (this.suspended !== undefined) throw this.suspended;
    await this.leadership.confirmed(signal);
    if (this.sequencer.failed !== undefined) throw this.sequencer.failed;
    const { committedPosition: position, sequencer } = this;
    const at = this.stateAt(position);
    if (sequencer.isInProgress(principal, id)) return { ...at, value: { kind: "inProgress" } };
    const entry = this.ledger.findRequest(principal, id);
    if (entry < 0) return { ...at, value: { kind: "notSeen" } };
    const record = await this.readRecord(this.ledger.requests.positionOf(entry), signal);
    return { ...at, value: { ...record, kind: "answered", replayed: true } };
  }

  /**
   * One committed record; undefined where nothing is committed at the position.
   * Rejects with `RefusalError`: NOT_READY, DEADLINE_EXCEEDED.
   */
  async recordAt(position: Position, signal?: AbortSignal): Promise<CommittedRecord | undefined> {
    if (this.sequencer.failed !== undefined) throw this.sequencer.failed;
    return position < 1 || position > this.committedPosition ? undefined : this.readRecord(position, signal);
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
    if (this.suspended !== undefined) throw this.suspended;
    try {
      return await this.sequencer.passTime(timeMs, signal);
    } catch (error) {
      // By this clock; whoever is the bank goes by its own.
      if (error instanceof RefusalError && error.refusal.reason === "TIME_IN_FUTURE")
        await this.leadership.confirmed(signal);
      throw error;
    }
  }

  /**
   * The committed position as it stands now. With an embedded store the held lock is the proof of leadership.
   * Throws: `RefusalError` NOT_READY before the epoch could be begun, and once the journal has failed: another bank may
   * write it by now; EPOCH_SUPERSEDED once it is known that another bank does.
   */
  readIndex(): ReadIndex {
    if (this.suspended !== undefined) throw this.suspended;
    if (this.sequencer.failed !== undefined) throw this.sequencer.failed;
    const epoch = this.replay.ledger.currentEpoch();
    assert(epoch !== undefined, "a bank that serves has an epoch");
    return { position: this.committedPosition, epochId: epoch.id, epoch: epoch.number, connectedMs: CONNECTED_MS };
  }

  /**
   * Answers a probe: what followers say of themselves is remembered, then the read index is told, which copies that count
   * have to confirm. Rejects as `readIndex` throws; with NOT_READY where they do not.
   *
   * @param members the asker's first: without it nobody may call itself connected.
   */
  async probe(members: readonly MemberReport[], signal?: AbortSignal): Promise<ReadIndex> {
    signal?.throwIfAborted();
    this.hear(members);
    const index = await this.leadership.readIndexForFollower();
    return { ...index, connectedMs: this.members.connectedMs(members[0]) };
  }

  /**
   * Resolves once it is sure that this was still the bank after this call, as far as its store can say so. Rejects as `readIndex` throws.
   */
  async confirmHold(): Promise<void> {
    this.readIndex();
    try {
      await this.sequencer.leasehold.confirmed();
    } finally {
      // Where it is not, this says more.
      this.readIndex();
    }
  }

  /**
   * Resolves once it is sure that no other server had taken the store at the time of this call, whatever this one may still do itself;
   * at once where no other can. Rejects with `RefusalError` NOT_LEADER, NOT_READY.
   */
  async confirmStore(): Promise<void> {
    try {
      await this.sequencer.leasehold.confirmed();
    } catch (error) {
      throw this.sequencer.failed ?? error;
    }
  }

  /**
   * Resolves once it is sure that this was still the bank after this call, by all that could have made another one. Who is to be
   * refused for what the state is waits for it. Rejects as `readIndex` throws, and at the deadline.
   */
  async confirmBank(signal: AbortSignal | undefined): Promise<void> {
    await this.leadership.confirmed(signal);
  }

  /** Whether several servers reach the store. */
  get isLeased(): boolean {
    return this.sequencer.leasehold.isLeased;
  }

  /** Tells other servers of the same store, now and whenever it was taken back, where this one can be reached: an URL. */
  announce(address: string): void {
    this.sequencer.leasehold.announce(address);
  }

  /** Takes what followers report, also while nobody is answered. Throws: `RefusalError` NOT_READY when there are too many. */
  hear(members: readonly MemberReport[]): void {
    this.members.hear(members);
    if (this.suspended === undefined) this.lostCopies.look();
  }

  /** How far a committed position has spread, once it is as far as asked, or the signal aborts. Never rejects. */
  awaitPropagation(position: Position, asked: PropagationAsked, signal: AbortSignal): Promise<Propagation> {
    return this.members.propagated(position, asked, signal);
  }

  /** What a reader of a committed position has seen. */
  sessionAt(position: Position): Session | undefined {
    return sessionAt(this.bankId, this.replay.ledger.epochs, position);
  }

  /** The ledger for what never changes once it is there (names, currencies). Balances are read by `read` only. */
  get ledger(): Ledger {
    return this.replay.ledger;
  }

  /**
   * How far the journal goes, or the proof of an earlier position.
   *
   * @param at the end of a batch; 0 for the newest.
   */
  async head(at: Position): Promise<JournalHead> {
    const { epochs } = this.replay.ledger;
    // Before its epoch counts, followers look here for the record that they are to acknowledge.
    const { isAwaited } = this.beginning;
    const position = isAwaited ? this.feed.appendedPosition : this.committedPosition;
    const asked = at === 0 ? position : at;
    // The newest is at hand, and asked for often.
    if (asked === this.committedPosition && !isAwaited)
      return { position, chainHash: this.replay.chainHash, epochId: epochAt(epochs, position) };
    const chainHash = asked > position ? undefined : await this.options.store.chainHashAt(asked);
    return { position, chainHash, epochId: epochAt(epochs, asked) };
  }

  /** A follower has records that this bank lacks: nothing is written any more until an operator decides. */
  reportLoss(witness: string, witnessPosition: Position): void {
    const position = this.committedPosition;
    const error = new RefusalError("LOSS_DETECTED", {
      position: String(position),
      witness,
      witness_position: String(witnessPosition),
    });
    this.options.platform.log.error(error.message);
    this.sequencer.stopWriting(error);
  }

  /**
   * An epoch of a higher number has begun elsewhere: another bank has taken the place of this one. For good, nothing is
   * written any more, nobody follows, and only local reads are answered. Idempotent.
   *
   * @param newer the number of that epoch.
   */
  supersede(newer: number): void {
    if (this.replacement !== undefined) return;
    const epoch = this.replay.ledger.currentEpoch()?.number ?? 0;
    this.replacement = new RefusalError("EPOCH_SUPERSEDED", { epoch: String(epoch), newer: String(newer) });
    this.options.platform.log.error(this.replacement.message);
    this.sequencer.stopWriting(this.replacement);
    this.feed.end(this.replacement);
    this.leave();
  }

  /**
   * For good: gives a store back at once that other servers wait for, so that they need not wait until this process has ended. What
   * is on its way there is settled before.
   */
  private leave(): void {
    if (!this.sequencer.leasehold.isLeased || this.hasLeft) return;
    this.hasLeft = true;
    void this.sequencer.drain().then(() => {
      this.sequencer.leasehold.end();
      return closeStore(this.options);
    });
  }

  get isSuperseded(): boolean {
    return this.replacement !== undefined;
  }

  /** Why only local reads are served; undefined when all is well. */
  get suspended(): RefusalError | undefined {
    return this.replacement ?? this.beginning.suspension ?? this.beginning.awaited;
  }

  /** How old what it shows may be. Before its epoch it does not know whether it is the newest, nor what of it will last. */
  get currency(): Leadership["currency"] {
    return this.suspended === undefined ? this.leadership.currency : { stalenessMs: undefined, connected: false };
  }

  /** Whether the record of the epoch is on disk, and nobody is answered until the copies that count have it too. */
  get isAwaitingCopies(): boolean {
    return this.beginning.isAwaited;
  }

  private readRecord(position: Position, signal: AbortSignal | undefined): Promise<CommittedRecord> {
    const reading = readRecordAt(this.options, position).catch((cause: unknown) => {
      if (!this.sequencer.leasehold.isLeased || !(mayPass(cause) || this.hasLeft)) throw cause;
      throw new RefusalError("NOT_READY", { problem: "its store cannot be read now" }, "NOT_APPLIED", { cause });
    });
    return abortable(forReader(reading), signal, deadlineExceeded);
  }

  /** Takes nothing new, and answers what waits: while followers are heard, for some may have to acknowledge it. Idempotent. */
  drain(): Promise<void> {
    return this.sequencer.drain();
  }

  /** Answers what waits, takes a snapshot and closes the store. Idempotent. */
  async close(): Promise<void> {
    this.closing.abort();
    this.members.close();
    await this.sequencer.drain();
    // After a failure memory may be ahead of the journal, or wrong; before an epoch it may be ahead of what is committed.
    const isCommitted = this.ledger.position === this.committedPosition;
    await this.snapshotter.finish({
      isDurable: isCommitted && this.sequencer.failed === undefined && !this.hasLeft,
      isAwaited: this.sequencer.leasehold.isLeased,
    });
    this.sequencer.leasehold.end();
    await closeStore(this.options);
  }

  /** What is said of the newest state, which is of this position. */
  private stateAt(position: Position): Omit<ReadResult<unknown>, "value"> {
    const session = this.suspended === undefined ? this.sessionAt(position) : undefined;
    return { position, ...this.currency, session, epoch: epochNumberAt(this.replay.ledger.epochs, position) };
  }

  /** That nothing is committed there yet is said only by who is the bank still. */
  private async requireCommitted(asked: Position, signal: AbortSignal | undefined): Promise<void> {
    if (asked <= this.committedPosition) return;
    await this.leadership.confirmed(signal);
    const { committedPosition } = this;
    if (asked > committedPosition)
      throw new RefusalError("POSITION_IN_FUTURE", { asked: String(asked), position: String(committedPosition) });
  }

  private checkWrite(): void {
    const refusal = this.beginning.suspension ?? this.beginning.awaited;
    // One that was replaced knows whether an earlier try was carried out: the sequencer says so.
    if (refusal !== undefined && !this.isSuperseded) throw refusal;
  }

  /**
   * As `checkSession`, but what it says against a session is said only by who is the bank still: another one may have begun the
   * very epoch that this one does not know. Rejects besides as `readIndex` throws, and at the deadline.
   */
  async requireSession(session: Session, signal?: AbortSignal): Promise<void> {
    try {
      this.checkSession(session);
    } catch (error) {
      await this.leadership.confirmed(signal);
      throw error;
    }
  }

  /**
   * Throws: `RefusalError` SESSION_LOST, SESSION_INVALID; NOT_READY where the bank has not begun its epoch: what was committed before may be
   * more than it knows by then.
   */
  checkSession(session: Session): void {
    const check = checkSession(session, this.bankId, this.replay.ledger.epochs);
    if (check.kind === "unknownEpoch") throw lostSession(session, this.replay.ledger.epochs);
    if (check.position > this.committedPosition)
      throw (
        this.suspended ??
        invalidSession(`it names position ${check.position}, and the journal ends at ${this.committedPosition}`)
      );
  }
}

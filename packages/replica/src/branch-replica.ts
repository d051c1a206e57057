import {
  FORMAT_LEVEL_MAX,
  type Ledger,
  type Position,
  RefusalError,
  type RequestId,
  type Session,
  sessionAt,
} from "@bank/core";
import type { Replay } from "@bank/journal";
import { abortable } from "./abortable.ts";
import { BankContact } from "./bank-contact.ts";
import type { BranchOptions } from "./branch-options.ts";
import { BranchReads } from "./branch-reads.ts";
import { BranchWrites, type CallLimit } from "./branch-writes.ts";
import { closeStore } from "./close-store.ts";
import type { Consistency, ReadResult } from "./consistency.ts";
import type { Member } from "./copy-table.ts";
import { isCounted } from "./counted-commit.ts";
import { type FollowedBatch, Follower, type FollowerState, type OpenJournal } from "./follower.ts";
import { JournalFeed } from "./journal-feed.ts";
import { epochAt, type JournalHead } from "./journal-head.ts";
import type { MemberReport, Propagation, PropagationAsked } from "./member.ts";
import type { MovementsAnswer, MovementsCall } from "./movements-call.ts";
import type { CommittedRecord, RequestStatus } from "./outcome.ts";
import { errorText } from "./platform.ts";
import type { ReadGate, ReadIndex } from "./read-gate.ts";
import { type Recovered, recover } from "./recover.ts";
import { deadlineExceeded } from "./refusals.ts";
import { type CopyProgress, Reporter } from "./reporter.ts";
import { type SavedEnd, savedEnd } from "./saved-end.ts";
import { Snapshotter } from "./snapshotter.ts";
import { forReader, readRecordAt } from "./stored-records.ts";
import { Subtree } from "./subtree.ts";

/** What is told at once has arrived by then, or the next heartbeat tells it. */
const REPORT_TIMEOUT_MS = 1_000;
/** Letting time pass takes a write. */
const PASS_TIME_TIMEOUT_MS = 5_000;

/** A copy of the bank that serves reads by itself, passes writes on, and knows how current it is. */
export class BranchReplica<Command, CommandResult extends { readonly position: Position }> {
  readonly feed: JournalFeed;
  readonly recovered: Recovered | undefined;
  private readonly options: BranchOptions<Command, CommandResult>;
  private readonly follower: Follower;
  private readonly contact: BankContact;
  private readonly reads: BranchReads;
  private readonly writes: BranchWrites<Command, CommandResult>;
  private readonly subtree: Subtree;
  private readonly reporter: Reporter;
  private readonly run: number;
  private reportCount = 0;
  /** Since the snapshotter was last told. */
  private savedBatches = 0;
  private snapshotter: Snapshotter | undefined;

  /** Opens the store and recovers. Rejects as `JournalStore.open` does, and with `CorruptStoreError`. */
  static async open<Command, CommandResult extends { readonly position: Position }>(
    options: BranchOptions<Command, CommandResult>,
  ): Promise<BranchReplica<Command, CommandResult>> {
    const { store, platform } = options;
    const { bankId } = await store.open();
    try {
      const recovered = bankId === undefined ? undefined : await recover(store, bankId, platform, "committed");
      return new BranchReplica(options, recovered);
    } catch (error) {
      await closeStore(options);
      throw error;
    }
  }

  private constructor(options: BranchOptions<Command, CommandResult>, recovered: Recovered | undefined) {
    const { store, platform, link } = options;
    this.options = options;
    this.recovered = recovered;
    this.follower = new Follower({
      store,
      platform,
      replay: recovered?.replay,
      tail: recovered?.tail ?? [],
      openJournal: (from, signal) => this.openJournal(from, signal),
      isDivergence: link.isDivergence,
      onStateChange: (state) => {
        // It may be another server than the one that did not answer: nobody has to wait for its turn to be asked.
        if (state === "following" && !this.contact.watch.isUp) this.contact.watch.probeNow();
        options.onStateChange(state);
      },
      saveWithinMs: options.saveWithinMs,
      // Followers of this copy get only what is on its disk, and so does nobody where it is none.
      isDiskAwaited: () => options.onDisk === false || this.feed.followers > 0 || this.reporter.isDiskAwaited,
      onSaved: (batch) => {
        this.feed.push(batch);
        this.savedBatches++;
        this.snapshotWhenSaved();
        this.reporter.look();
      },
      onApplied: (position) => {
        // What this stream has brought and the bank has committed: only then may followers of this branch show it.
        this.feed.commit(position);
        this.snapshotWhenSaved();
        this.reporter.look();
      },
      onNews: (news) => {
        const { reportPosition, echo } = news;
        this.feed.ask({ reportPosition, echo });
        this.reporter.hear(news);
      },
      onContradicted: options.onContradicted,
      onFatal: (error) => {
        this.feed.end(new RefusalError("NOT_READY", { problem: "it failed and must start again" }));
        options.onFatal(error);
      },
    });
    this.feed = new JournalFeed({
      store,
      sha256: platform.sha256,
      appendedPosition: this.follower.saved.current,
      committedPosition: this.follower.applied.current,
    });
    this.subtree = new Subtree(options);
    this.reporter = new Reporter(this.progress(), () =>
      link.report(
        this.reports(),
        AbortSignal.any([this.contact.watch.connection, platform.timeout(REPORT_TIMEOUT_MS)]),
      ),
    );
    const [high = 0, low = 0] = new Uint32Array(platform.randomBytes(8).slice().buffer);
    this.run = (high % 2 ** 20) * 2 ** 32 + low;
    this.contact = new BankContact({
      platform,
      branch: options.branchNumbers.join(", "),
      probe: (signal) => link.probe(this.reports(), signal),
      isFollowing: () => this.state === "following",
      reset: (reason) => link.reset(reason),
    });
    this.reads = new BranchReads({ applied: this.follower.applied, ready: () => this.ready() }, this.contact);
    this.writes = new BranchWrites({
      platform,
      contact: this.contact,
      applied: this.follower.applied,
      send: (commands, limit) => link.submit(commands, limit),
      sendMovements: (calls, limit) => link.submitMovements(calls, limit),
    });
  }

  /** Begins to follow the bank. */
  start(): void {
    this.contact.watch.start();
    this.follower.start();
  }

  get state(): FollowerState {
    return this.follower.state;
  }

  /** Asks the bank how far it is, for many at once. Whoever waits for it should use `readIndex`. */
  get gate(): ReadGate {
    return this.contact.gate;
  }

  /** Whether the bank counts on this branch to show what it tells writers is shown everywhere. */
  get connected(): boolean {
    return this.contact.isConnected(this.appliedPosition);
  }

  get appliedPosition(): Position {
    return this.follower.applied.current;
  }

  get savedPosition(): Position {
    return this.follower.saved.current;
  }

  /** The highest position that is known here to be committed at the bank. */
  get committedPosition(): Position {
    return this.follower.committedPosition;
  }

  /** undefined before the first contact with a bank. */
  get bankId(): Uint8Array | undefined {
    return this.follower.replay?.bankId;
  }

  /** Has what is shown saved without delay: somebody will ask for what is on the disk. */
  saveNow(): void {
    this.follower.saveNow();
  }

  /**
   * How far the journal on this replica's own disk goes, or the proof of an earlier position; 0 for the newest. Before that is
   * told, what has come is saved, unless the disk takes long: it may be testimony of a loss, and who asks may be about to follow.
   */
  async head(at: Position): Promise<JournalHead> {
    if (at === 0 || at > this.savedPosition) await this.follower.saveReceived();
    const position = this.savedPosition;
    const asked = at === 0 ? position : at;
    const epochId = epochAt(this.follower.replay?.ledger.epochs ?? [], asked);
    const isHere = asked > 0 && asked <= position;
    return { position, chainHash: isHere ? await this.options.store.chainHashAt(asked) : undefined, epochId };
  }

  /** The end of what is on this replica's own disk: of all that has come, unless its disk takes long. */
  async lastSaved(): Promise<SavedEnd> {
    await this.follower.saveReceived();
    return savedEnd(this.options.store, this.savedPosition, this.follower.replay?.ledger.epochs ?? []);
  }

  /** Resolves once the position is applied here. */
  whenApplied(position: Position, signal?: AbortSignal): Promise<void> {
    return this.follower.applied.reached(position, signal);
  }

  /**
   * Passes commands on to the bank, together with what others ask at the same time, and resolves once this branch
   * shows them: one result for each, in order.
   * Rejects with `RefusalError`: always OUTCOME_UNKNOWN where the bank did not say otherwise, for an earlier try of the
   * same request may have reached it.
   *
   * @param timeoutMs how long the caller waits, where it said; passed on to the bank.
   */
  async submit(
    commands: readonly Command[],
    signal?: AbortSignal,
    timeoutMs?: number,
  ): Promise<readonly CommandResult[]> {
    const results = await this.passOn(commands, signal, timeoutMs);
    const position = results.reduce((highest, result) => Math.max(highest, result.position), 0);
    await this.writes.show(position, signal);
    return results;
  }

  /**
   * Likewise, for a follower of this branch: it waits by itself until it shows what was done. Rejects as `submit`.
   */
  async passOn(
    commands: readonly Command[],
    signal?: AbortSignal,
    timeoutMs?: number,
  ): Promise<readonly CommandResult[]> {
    return this.writes.passOn(commands, signal, timeoutMs);
  }

  /** As `submit`, for movements in columns: one answer for each call, in order. */
  async submitMovements(
    calls: readonly MovementsCall[],
    signal?: AbortSignal,
    timeoutMs?: number,
  ): Promise<readonly MovementsAnswer[]> {
    const answers = await this.passOnMovements(calls, signal, timeoutMs);
    const position = answers.reduce((highest, answer) => Math.max(highest, answer.position), 0);
    await this.writes.show(position, signal);
    return answers;
  }

  /** As `passOn`, likewise. */
  passOnMovements(
    calls: readonly MovementsCall[],
    signal?: AbortSignal,
    timeoutMs?: number,
  ): Promise<readonly MovementsAnswer[]> {
    return this.writes.passOnMovements(calls, signal, timeoutMs);
  }

  /** Reads at this branch. Rejects with `RefusalError`. */
  read<T>(consistency: Consistency, query: (ledger: Ledger) => T, signal?: AbortSignal): Promise<ReadResult<T>> {
    return this.reads.read(consistency, query, signal);
  }

  /**
   * The bank's committed position as it stood after this call: one question serves all who wait for it.
   * Rejects with `RefusalError`: BANK_UNREACHABLE, at once where that is known, within a second in any case; and with
   * what the bank refuses with.
   */
  readIndex(): Promise<ReadIndex> {
    return this.contact.readIndex();
  }

  /**
   * Answers a probe of a follower: what it says of itself and of its own followers goes along with a question that is sent
   * after this one came in; what is heard later is not in it. Rejects as `readIndex`, sooner, and with FOLLOW_LOOP.
   *
   * @param reports the asker's first.
   */
  async probe(reports: readonly MemberReport[]): Promise<ReadIndex> {
    this.subtree.hear(reports, this.appliedPosition);
    const hasJoined = this.subtree.hasJoined(reports[0]);
    const index = await this.contact.readIndexForFollower();
    return hasJoined ? index : { ...index, connectedMs: 0 };
  }

  /** Takes what followers report, and passes it on at once. Throws: `RefusalError` FOLLOW_LOOP, NOT_READY. */
  hear(reports: readonly MemberReport[]): void {
    if (this.subtree.hear(reports, this.appliedPosition)) this.reporter.report();
  }

  /** The copies that follow this one, directly or through others, as they report. */
  get followers(): readonly Member[] {
    return this.subtree.members;
  }

  /** What this copy says of itself, and behind it what those say that follow it. */
  reports(): readonly MemberReport[] {
    return [this.report(), ...this.subtree.reports];
  }

  /**
   * How far a committed position has spread, once it is as far as asked, or the signal aborts: then nothing is known of
   * others than this branch. Never rejects.
   *
   * @param limit its time is passed on, and ends a little earlier at each server on the way.
   */
  async awaitPropagation(position: Position, asked: PropagationAsked, limit: CallLimit): Promise<Propagation> {
    const signal = AbortSignal.any([limit.signal, this.contact.watch.down]);
    try {
      signal.throwIfAborted();
      const told = this.options.link.awaitPropagation(position, asked, { ...limit, signal });
      return await abortable(told, signal, () => signal.reason);
    } catch (error) {
      this.options.platform.log.warn("not known how far a committed write has spread", {
        position,
        problem: errorText(error),
      });
      const isHere = position <= Math.min(this.appliedPosition, this.savedPosition);
      return this.subtree.spread(asked, this.ledger, isHere);
    }
  }

  /**
   * What became of a request, as far as this branch knows: nothing of those that are in progress at the bank.
   * Rejects with `RefusalError`.
   *
   * @param principal who made it.
   */
  async outcomeOf(
    consistency: Consistency,
    principal: string,
    id: RequestId,
    signal?: AbortSignal,
  ): Promise<ReadResult<RequestStatus>> {
    const found = await this.read(
      consistency,
      (ledger) => {
        const entry = ledger.findRequest(principal, id);
        return entry < 0 ? undefined : ledger.requests.positionOf(entry);
      },
      signal,
    );
    if (found.value === undefined) return { ...found, value: { kind: "notSeen" } };
    const record = await this.savedRecord(found.value, signal);
    return { ...found, value: { ...record, kind: "answered", replayed: true } };
  }

  /**
   * One record that this branch shows; undefined where it shows none at the position.
   * Rejects with `RefusalError`: NOT_READY, DEADLINE_EXCEEDED.
   */
  async recordAt(position: Position, signal?: AbortSignal): Promise<CommittedRecord | undefined> {
    return position < 1 || position > this.appliedPosition ? undefined : this.savedRecord(position, signal);
  }

  /**
   * Resolves once this branch shows a position whose journal time is later than this moment, and gives it. Only a branch
   * that does not show one yet asks the bank.
   * Rejects with `RefusalError`: TIME_IN_FUTURE, FORMAT_LEVEL_TOO_LOW, NOT_READY, BANK_UNREACHABLE, DEADLINE_EXCEEDED, and
   * whatever else the bank refuses with.
   *
   * @param timeMs Unix milliseconds.
   * @param timeoutMs how long the caller waits, where it said; passed on to the bank.
   */
  async passTime(timeMs: number, signal?: AbortSignal, timeoutMs?: number): Promise<Position> {
    const { ledger } = this.ready();
    if (ledger.timeMs > timeMs) return ledger.position;
    if (!this.contact.isReachable) throw this.contact.unreachable("NOT_APPLIED");
    const position = await abortable(this.askToPassTime(timeMs, timeoutMs), signal, () =>
      deadlineExceeded("the bank's time"),
    );
    await this.reads.whenShown(position, signal);
    return position;
  }

  /** The ledger for what never changes once it is there. Throws: `RefusalError` NOT_READY. */
  get ledger(): Ledger {
    return this.ready().ledger;
  }

  /** What a reader of an applied position has seen. */
  sessionAt(position: Position): Session | undefined {
    const { bankId, ledger } = this.ready();
    return sessionAt(bankId, ledger.epochs, position);
  }

  /** Stops following, saves what was received and closes the store. */
  async close(): Promise<void> {
    this.contact.watch.close();
    await this.follower.close();
    this.feed.end(new RefusalError("NOT_READY", { problem: "it is shutting down" }));
    await this.snapshotter?.finish({ isDurable: this.isOnDisk() });
    await closeStore(this.options);
  }

  /** What this copy says of itself. */
  report(): MemberReport {
    const { copyId, branchNumbers, upstream } = this.options;
    const ledger = this.follower.replay?.ledger;
    const stalenessMs = ledger === undefined ? undefined : this.contact.freshness.stalenessMs(ledger);
    const none = new Uint8Array(0);
    return {
      copyId,
      branches: branchNumbers,
      follows: 0,
      appliedPosition: this.appliedPosition,
      durablePosition: this.savedPosition,
      digest: ledger?.digestBytes() ?? none,
      formatLevel: FORMAT_LEVEL_MAX,
      echo: this.follower.echo,
      epochId: this.follower.epochId ?? none,
      run: this.run,
      sequence: ++this.reportCount,
      joined: false,
      onDisk: this.options.onDisk ?? true,
      whole: this.options.isWhole?.() ?? true,
      followers: this.feed.followers,
      historyPosition: this.options.historyPosition?.(),
      upstream,
      stalenessMs: stalenessMs === undefined ? undefined : Math.ceil(stalenessMs),
    };
  }

  private async askToPassTime(timeMs: number, timeoutMs: number | undefined): Promise<Position> {
    const { link, platform } = this.options;
    try {
      const signal = AbortSignal.any([this.contact.watch.connection, platform.timeout(PASS_TIME_TIMEOUT_MS)]);
      return await abortable(link.passTime(timeMs, { signal, timeoutMs }), signal, () => signal.reason);
    } catch (cause) {
      if (cause instanceof RefusalError) throw cause;
      throw this.contact.unreachable("NOT_APPLIED", cause);
    }
  }

  /** A record that is shown, once it is on this replica's disk: a branch shows what it has not saved yet. */
  private async savedRecord(position: Position, signal: AbortSignal | undefined): Promise<CommittedRecord> {
    const late = () => deadlineExceeded("this branch's disk");
    if (position > this.savedPosition) this.saveNow();
    await this.follower.saved.reached(position, signal).catch((error: unknown) => {
      throw error instanceof RefusalError ? error : late();
    });
    return abortable(forReader(readRecordAt(this.options, position)), signal, late);
  }

  private snapshotWhenSaved(): void {
    const { replay } = this.follower;
    // A snapshot is of what is on disk: not while memory is ahead.
    if (replay === undefined || !this.isOnDisk()) return;
    const { store, platform, snapshotEveryRecords: everyRecords } = this.options;
    this.snapshotter ??= new Snapshotter(
      { replay, store, platform, everyRecords, onSaved: () => undefined },
      this.recovered?.snapshotPosition ?? 0,
    );
    this.snapshotter.afterBatches(this.savedBatches);
    this.savedBatches = 0;
  }

  /** Whether everything that memory holds is on the disk: not half a batch, and none that could not be saved. */
  private isOnDisk(): boolean {
    const { isTrusted, replay } = this.follower;
    return isTrusted && replay !== undefined && replay.ledger.position <= this.feed.appendedPosition;
  }

  private progress(): CopyProgress {
    const { follower, feed, options } = this;
    return {
      get durable() {
        return feed.appendedPosition;
      },
      get applied() {
        return follower.applied.current;
      },
      isCounted: () => {
        const durability = follower.replay?.ledger.durability;
        return durability !== undefined && isCounted(durability, options.copyId);
      },
    };
  }

  private ready(): Replay {
    const { replay, isTrusted } = this.follower;
    if (!isTrusted) throw new RefusalError("NOT_READY", { problem: "it failed and must start again" });
    if (replay === undefined)
      throw new RefusalError("NOT_READY", { problem: "this branch has never reached its bank" });
    return replay;
  }

  /** The journal of the bank that answers, until it does not any more. */
  private async *openJournal(...[from, signal]: Parameters<OpenJournal>): AsyncGenerator<FollowedBatch> {
    const { watch } = this.contact;
    await watch.whenUp(signal);
    try {
      yield* this.options.link.openJournal(from, AbortSignal.any([signal, watch.connection]));
    } finally {
      // A stream that ended may be the first sign that the bank is gone.
      if (watch.isUp) watch.probeNow();
    }
  }
}

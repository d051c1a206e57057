import {
  assert,
  bytesEqual,
  COMMANDS_PER_CALL_MAX,
  checkSession,
  FORMAT_LEVEL_MAX,
  invalidSession,
  type Ledger,
  type Position,
  RefusalError,
  type RequestId,
  type Session,
  sessionAt,
} from "@bank/core";
import type { Replay } from "@bank/journal";
import type { JournalStore } from "@bank/store";
import { abortable } from "./abortable.ts";
import { closeStore } from "./close-store.ts";
import { Coalescer } from "./coalescer.ts";
import type { Consistency, ReadResult } from "./consistency.ts";
import { Follower, type FollowerState, type OpenJournal } from "./follower.ts";
import { elapsedMs, Freshness, momentOf } from "./freshness.ts";
import { JournalFeed } from "./journal-feed.ts";
import { epochAt, type JournalHead } from "./journal-head.ts";
import { lostSession } from "./lost-session.ts";
import type { MemberReport, Propagation, PropagationAsked } from "./member.ts";
import type { CommittedRecord, RequestStatus } from "./outcome.ts";
import type { Platform } from "./platform.ts";
import { ReadGate, type ReadIndex } from "./read-gate.ts";
import { type Recovered, recover } from "./recover.ts";
import { Snapshotter } from "./snapshotter.ts";
import { forReader, readRecordAt } from "./stored-records.ts";

/** How a branch reaches its bank. Every call rejects when the bank cannot be reached. */
export interface BankLink<Command, CommandResult extends { readonly position: Position }> {
  readonly openJournal: OpenJournal;
  readonly isDivergence: (error: unknown) => boolean;
  /** The read index, and a sign of life: tells of this copy first, then of those that follow it. */
  probe(members: readonly MemberReport[], signal: AbortSignal): Promise<ReadIndex>;
  /** Waits until a committed position has spread so far, or the signal aborts: tells how far it has come. */
  awaitPropagation(position: Position, asked: PropagationAsked, signal: AbortSignal): Promise<Propagation>;
  /** One result for each command, in order. */
  submit(commands: readonly Command[]): Promise<readonly CommandResult[]>;
  /** A committed position whose journal time is later than this moment, Unix milliseconds. */
  passTime(timeMs: number, signal: AbortSignal): Promise<Position>;
}

export interface BranchOptions<Command, CommandResult extends { readonly position: Position }> {
  /** Branches that this replica serves. */
  readonly branchNumbers: readonly number[];
  /** 16 bytes: made once for each data folder. */
  readonly copyId: Uint8Array;
  /** Whom it follows, as a URL; for people. */
  readonly upstream: string;
  /** Not opened yet; `BranchReplica` opens and closes it. */
  readonly store: JournalStore;
  readonly platform: Platform;
  readonly link: BankLink<Command, CommandResult>;
  readonly snapshotEveryRecords: number;
  readonly onStateChange: (state: FollowerState) => void;
  /** Called once if the replica cannot go on; the process should stop and start again. */
  readonly onFatal: (error: unknown) => void;
}

/** A question to the bank that takes longer than this has failed. */
const READ_INDEX_TIMEOUT_MS = 1_000;
/** Letting time pass takes a write. */
const PASS_TIME_TIMEOUT_MS = 5_000;
/** How long a committed write waits for this branch to show it, before it is answered anyway. */
const SHOW_WRITE_TIMEOUT_MS = 5_000;

/** A copy of the bank that serves reads by itself, passes writes on, and knows how current it is. */
export class BranchReplica<Command, CommandResult extends { readonly position: Position }> {
  readonly feed: JournalFeed;
  readonly recovered: Recovered | undefined;
  readonly gate: ReadGate;
  private readonly options: BranchOptions<Command, CommandResult>;
  private readonly follower: Follower;
  private readonly forwarder: Coalescer<Command, CommandResult>;
  private readonly freshness: Freshness;
  private snapshotter: Snapshotter | undefined;

  /** Opens the store and recovers. Rejects as `JournalStore.open` does, and with `CorruptStoreError`. */
  static async open<Command, CommandResult extends { readonly position: Position }>(
    options: BranchOptions<Command, CommandResult>,
  ): Promise<BranchReplica<Command, CommandResult>> {
    const { store, platform } = options;
    const { bankId } = await store.open();
    try {
      const recovered = bankId === undefined ? undefined : await recover(store, bankId, platform);
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
      openJournal: link.openJournal,
      isDivergence: link.isDivergence,
      onStateChange: options.onStateChange,
      onSaved: (batch) => {
        this.feed.push(batch);
        this.snapshotWhenSaved(batch.lastPosition);
      },
      onFatal: options.onFatal,
    });
    this.feed = new JournalFeed(store, this.follower.saved);
    this.freshness = new Freshness(platform);
    this.gate = new ReadGate(() =>
      this.freshness.probe(() => link.probe([this.report()], options.platform.timeout(READ_INDEX_TIMEOUT_MS))),
    );
    this.forwarder = new Coalescer({
      send: (commands) => link.submit(commands),
      itemsPerCallMax: COMMANDS_PER_CALL_MAX,
      callsInFlightMax: 4,
      waitingItemsMax: 10 * COMMANDS_PER_CALL_MAX,
    });
  }

  /** Begins to follow the bank. */
  start(): void {
    this.follower.start();
  }

  get state(): FollowerState {
    return this.follower.state;
  }

  get appliedPosition(): Position {
    return this.follower.applied.current;
  }

  get savedPosition(): Position {
    return this.follower.saved.current;
  }

  /** undefined before the first contact with a bank. */
  get bankId(): Uint8Array | undefined {
    return this.follower.replay?.bankId;
  }

  /** How far the journal on this replica's own disk goes, or the proof of an earlier position; 0 for the newest. */
  async head(at: Position): Promise<JournalHead> {
    const epochs = this.follower.replay?.ledger.epochs ?? [];
    const position = this.savedPosition;
    const asked = at === 0 ? position : at;
    const chainHash = asked > position ? undefined : await this.options.store.chainHashAt(asked);
    return { position, chainHash, epochId: epochAt(epochs, asked) };
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
   */
  async submit(commands: readonly Command[], signal?: AbortSignal): Promise<readonly CommandResult[]> {
    const results = await this.passOn(commands, signal);
    const position = results.reduce((highest, result) => Math.max(highest, result.position), 0);
    await this.showWrite(position, signal);
    return results;
  }

  /**
   * Likewise, for a follower of this branch: it waits by itself until it shows what was done. Rejects as `submit`.
   */
  async passOn(commands: readonly Command[], signal?: AbortSignal): Promise<readonly CommandResult[]> {
    const late = () => new RefusalError("DEADLINE_EXCEEDED", { waiting_for: "the bank" }, "OUTCOME_UNKNOWN");
    if (this.state !== "following") throw this.unreachable("OUTCOME_UNKNOWN");
    if (signal?.aborted) throw late();
    return abortable(this.forward(commands), signal, late);
  }

  /** Reads at this branch. Rejects with `RefusalError`. */
  async read<T>(consistency: Consistency, query: (ledger: Ledger) => T, signal?: AbortSignal): Promise<ReadResult<T>> {
    const { platform } = this.options;
    const started = momentOf(platform);
    const needed = await this.neededPosition(consistency, signal);
    await this.waitFor(needed, signal);
    const { ledger, bankId } = this.ready();
    const value = query(ledger);
    const { position } = ledger;
    const freshMs = this.freshness.stalenessMs(position) ?? Number.POSITIVE_INFINITY;
    const askedMs = consistency.mode === "linearizable" ? elapsedMs(started, momentOf(platform)) : undefined;
    const stalenessMs = Math.min(askedMs ?? Number.POSITIVE_INFINITY, freshMs);
    return {
      value,
      position,
      stalenessMs: Number.isFinite(stalenessMs) ? Math.ceil(stalenessMs) : undefined,
      session: sessionAt(bankId, ledger.epochs, position),
    };
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
   */
  async passTime(timeMs: number, signal?: AbortSignal): Promise<Position> {
    const { ledger } = this.ready();
    if (ledger.timeMs > timeMs) return ledger.position;
    if (this.state !== "following") throw this.unreachable("NOT_APPLIED");
    const position = await abortable(this.askToPassTime(timeMs), signal, () => deadlineExceeded("the bank's time"));
    await this.waitFor(position, signal);
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
    await this.follower.close();
    // Memory may hold half a batch, or batches that could not be saved.
    const isDurable = this.follower.isTrusted && this.follower.replay?.ledger.position === this.savedPosition;
    await this.snapshotter?.finish({ isDurable });
    await closeStore(this.options);
  }

  /** What this copy says of itself. */
  report(): MemberReport {
    const { copyId, branchNumbers, upstream } = this.options;
    const ledger = this.follower.replay?.ledger;
    const none = new Uint8Array(0);
    return {
      copyId,
      branches: branchNumbers,
      follows: 0,
      appliedPosition: this.appliedPosition,
      durablePosition: this.savedPosition,
      digest: ledger?.digestBytes() ?? none,
      formatLevel: FORMAT_LEVEL_MAX,
      echo: 0,
      epochId: ledger?.currentEpoch()?.id ?? none,
      followers: this.feed.followers,
      historyPosition: undefined,
      upstream,
      stalenessMs: undefined,
    };
  }

  private async neededPosition(consistency: Consistency, signal: AbortSignal | undefined): Promise<Position> {
    switch (consistency.mode) {
      case "local":
        return 0;
      case "linearizable":
        return this.linearizablePosition(signal);
      case "session":
        return this.sessionPosition(consistency.session, signal);
    }
  }

  private async linearizablePosition(signal: AbortSignal | undefined): Promise<Position> {
    if (this.state !== "following") throw this.unreachable("NOT_APPLIED");
    const index = await abortable(this.readIndex(), signal, () => deadlineExceeded("the bank's position"));
    await this.waitFor(index.position, signal);
    // An answer of an epoch that is not in the table at its own position came from another history.
    if (!this.ready().ledger.epochs.some(({ id }) => bytesEqual(id, index.epochId)))
      throw new RefusalError("NOT_READY", { problem: "the bank answered for an epoch that its journal does not have" });
    return index.position;
  }

  private async waitFor(position: Position, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.whenApplied(position, signal);
    } catch (cause) {
      if (cause instanceof RefusalError) throw cause;
      const waiting_for = `position ${position}; this branch shows ${this.appliedPosition}`;
      throw new RefusalError("DEADLINE_EXCEEDED", { waiting_for }, "NOT_APPLIED", { cause });
    }
  }

  private async sessionPosition(session: Session, signal: AbortSignal | undefined): Promise<Position> {
    const known = this.checkSession(session);
    if (known !== undefined && known <= this.appliedPosition) return known;
    // Either this branch is behind, or the token names what does not exist: the bank knows.
    const committed = await this.linearizablePosition(signal);
    const needed = this.checkSession(session);
    if (needed === undefined) throw lostSession(session, this.ready().ledger.epochs);
    if (needed > committed) throw invalidSession(`it names position ${needed}, and the journal ends at ${committed}`);
    return needed;
  }

  /** The position that the session needs; undefined when its epoch is not known here. Throws: `RefusalError`. */
  private checkSession(session: Session): Position | undefined {
    const { bankId, ledger } = this.ready();
    const check = checkSession(session, bankId, ledger.epochs);
    return check.kind === "needs" ? check.position : undefined;
  }

  private async readIndex(): Promise<ReadIndex> {
    try {
      return await this.gate.readIndex();
    } catch (cause) {
      throw this.unreachable("NOT_APPLIED", cause);
    }
  }

  private async askToPassTime(timeMs: number): Promise<Position> {
    const { link, platform } = this.options;
    try {
      return await link.passTime(timeMs, platform.timeout(PASS_TIME_TIMEOUT_MS));
    } catch (cause) {
      if (cause instanceof RefusalError) throw cause;
      throw this.unreachable("NOT_APPLIED", cause);
    }
  }

  /** A record that is shown, once it is on this replica's disk: a branch shows what it has not saved yet. */
  private async savedRecord(position: Position, signal: AbortSignal | undefined): Promise<CommittedRecord> {
    const late = () => deadlineExceeded("this branch's disk");
    try {
      await this.follower.saved.reached(position, signal);
    } catch (error) {
      throw error instanceof RefusalError ? error : late();
    }
    return abortable(forReader(readRecordAt(this.options.store, position)), signal, late);
  }

  private async forward(commands: readonly Command[]): Promise<readonly CommandResult[]> {
    try {
      return await this.forwarder.submit(commands);
    } catch (cause) {
      if (cause instanceof RefusalError) throw cause;
      throw this.unreachable("OUTCOME_UNKNOWN", cause);
    }
  }

  /** Waits until a committed write shows here. It is committed whatever happens now, so this never fails. */
  private async showWrite(position: Position, signal: AbortSignal | undefined): Promise<void> {
    if (position <= this.appliedPosition) return;
    const { platform } = this.options;
    // A timer that lives no longer than the write: thousands of writes a second would gather five seconds of them.
    const shown = new AbortController();
    const late = new AbortController();
    const giveUp = () => late.abort();
    platform.delay(SHOW_WRITE_TIMEOUT_MS, shown.signal).then(giveUp, () => {
      // The write was shown before.
    });
    if (signal?.aborted) giveUp();
    signal?.addEventListener("abort", giveUp, { once: true });
    try {
      await this.whenApplied(position, late.signal);
    } catch {
      // Whatever ended the wait: the write is committed, and that is the answer.
      platform.log.warn("a committed write was answered before this branch shows it", { position });
    } finally {
      signal?.removeEventListener("abort", giveUp);
      shown.abort();
    }
  }

  private snapshotWhenSaved(position: Position): void {
    const { replay } = this.follower;
    assert(replay !== undefined, "what was saved belongs to a bank");
    const { store, platform, snapshotEveryRecords: everyRecords } = this.options;
    this.snapshotter ??= new Snapshotter(
      { replay, store, platform, everyRecords, onSaved: () => undefined },
      this.recovered?.snapshotPosition ?? 0,
    );
    // A snapshot is of what is on disk: not while memory is ahead.
    if (this.follower.isTrusted && replay.ledger.position === position) this.snapshotter.afterBatch();
  }

  private ready(): Replay {
    const { replay, isTrusted } = this.follower;
    if (!isTrusted) throw new RefusalError("NOT_READY", { problem: "it failed and must start again" });
    if (replay === undefined)
      throw new RefusalError("NOT_READY", { problem: "this branch has never reached its bank" });
    return replay;
  }

  private unreachable(outcome: "NOT_APPLIED" | "OUTCOME_UNKNOWN", cause?: unknown): RefusalError {
    const branch = this.options.branchNumbers.join(", ");
    return new RefusalError("BANK_UNREACHABLE", { branch }, outcome, cause === undefined ? undefined : { cause });
  }
}

function deadlineExceeded(waitingFor: string): RefusalError {
  return new RefusalError("DEADLINE_EXCEEDED", { waiting_for: waitingFor });
}

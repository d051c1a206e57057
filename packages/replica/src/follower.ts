import { assert, bytesEqual, type Position, RefusalError, toHex } from "@bank/core";
import { applyFrame, type Batch, decodeHeader, type ReceivedFrame, type Replay } from "@bank/journal";
import type { StoredBatch } from "@bank/store";
import { AppendRefusedError, AppendUnknownError } from "@bank/store/errors";
import { Appender, type KeptIn } from "./appender.ts";
import { Backoff } from "./backoff.ts";
import type { FeedNews, FollowerHead } from "./journal-feed.ts";
import { nextTurn } from "./next-turn.ts";
import { errorText, type Platform } from "./platform.ts";
import { PositionWatch } from "./position-watch.ts";
import { emptyReplay } from "./recover.ts";
import { ContradictedTailError, UncommittedTail } from "./uncommitted-tail.ts";

/** One message of a journal's stream. */
export interface FollowedBatch extends FeedNews {
  /** Absent in messages that carry only news. */
  readonly received: ReceivedFrame | undefined;
  readonly lastPosition: Position;
  /** 16 bytes. */
  readonly bankId: Uint8Array;
}

/** Opens a stream of the journal behind a position. */
export type OpenJournal = (
  from: FollowerHead & { readonly bankId: Uint8Array | undefined; readonly epochId: Uint8Array | undefined },
  signal: AbortSignal,
) => AsyncIterable<FollowedBatch>;

/**
 * - `connecting`: no stream yet, or none since the last was lost; it tries again with backoff.
 * - `following`: the stream is open and has said something.
 * - `diverged`: the bank's journal is not a continuation of this one. Evidence: nothing is deleted, and it keeps asking,
 *   for an operator may heal the bank.
 */
export type FollowerState = "connecting" | "following" | "diverged";

/** Received frames that are not on disk yet; beyond it the stream is not read further. */
const UNSAVED_BYTES_MAX = 16 * 1024 * 1024;
/**
 * What is shown may wait for so long until it is saved, while nobody asks whether it is: what comes meanwhile is one append. Every
 * append waits for the disk, and branches beside a bank take its disk's time, and its processors'. A power failure costs so much
 * of the journal's end, which the bank has, and hands out again.
 */
const SAVE_WITHIN_MS = 200;
/** As much is saved at once: a longer append would hold up what comes behind it. */
const GATHERED_BYTES_MAX = 1024 * 1024;
/** Whoever asks what is on the disk waits for so long at the most until all is that has come: banks that ask give up after a second. */
const SAVE_RECEIVED_TIMEOUT_MS = 500;
const RECONNECT_MIN_MS = 20;
const RECONNECT_MAX_MS = 500;
/** A stream that lasted for so long was one. */
const STEADY_MS = 2_000;
const SAVE_RETRY_MIN_MS = 100;
const SAVE_RETRY_MAX_MS = 5_000;

export interface FollowerOptions {
  readonly store: KeptIn;
  readonly platform: Platform;
  /** undefined for a replica that belongs to no bank yet. */
  readonly replay: Replay | undefined;
  /** What is on the disk behind it, and not known to be committed. */
  readonly tail: readonly StoredBatch[];
  readonly openJournal: OpenJournal;
  /** Whether this error of `openJournal` says that the two journals differ. */
  readonly isDivergence: (error: unknown) => boolean;
  readonly onStateChange: (state: FollowerState) => void;
  /** How long what is shown may wait until it is saved, while nobody waits for that; see `SAVE_WITHIN_MS`. */
  readonly saveWithinMs?: number | undefined;
  /** Whether somebody waits until what comes is on this replica's disk, or is only told of what is. Asked with each message. */
  readonly isDiskAwaited: () => boolean;
  /** Called when a batch is on this replica's disk. */
  readonly onSaved: (batch: StoredBatch) => void;
  /** Called when more is shown. */
  readonly onApplied: (position: Position) => void;
  /** Called with what the stream says besides batches, with each message; a number that was told before is 0 when a stream begins. */
  readonly onNews: (news: FeedNews) => void;
  /**
   * Called once when what is here beyond what was ever committed is not what the bank has: no evidence of loss, and no use.
   * Following has ended; the copy is to be put aside, and begun anew.
   */
  readonly onContradicted: () => void;
  /** Called once when memory or store cannot be trusted any more; the replica must recover from its store. */
  readonly onFatal: (error: unknown) => void;
}

/**
 * Follows a journal over any number of reconnections: checks, applies and keeps every batch, in that order, where it is
 * committed when it comes. What is not is kept first, and applied when the stream says that it is committed. What is kept is saved
 * at once where somebody waits for that, else after a moment.
 */
export class Follower {
  /** What this replica shows. */
  readonly applied: PositionWatch;
  /** What is on this replica's disk. */
  readonly saved: PositionWatch;
  state: FollowerState = "connecting";
  /** False once memory may hold half a batch: nothing of it is shown or kept any more. */
  isTrusted = true;
  private readonly options: FollowerOptions;
  private readonly appender: Appender;
  private readonly tail: UncommittedTail;
  private replayed: Replay | undefined;
  private committed: Position = 0;
  /** What the stream of the moment says to be committed. What an earlier one said may be of a journal that went on otherwise. */
  private toldCommitted: Position = 0;
  /** The newest epoch of what was received; undefined before the first batch. */
  private receivedEpoch: Uint8Array | undefined;
  /** The newest echo that the stream has told since it began, and since this epoch did. */
  private toldEcho = 0;
  /** Received, and not on disk yet; in order. */
  private readonly unsaved: StoredBatch[] = [];
  private unsavedBytes = 0;
  private saving: Promise<void> | undefined;
  /** Ends the moment in which more is gathered; undefined where nothing is. */
  private gathering: AbortController | undefined;
  private readonly stop = new AbortController();
  private running: Promise<void> | undefined;

  constructor(options: FollowerOptions) {
    this.options = options;
    this.replayed = options.replay;
    this.appender = new Appender(options);
    this.tail = new UncommittedTail(options.tail);
    const position = options.replay?.ledger.position ?? 0;
    const { last } = this.tail;
    this.receivedEpoch =
      last === undefined ? options.replay?.ledger.currentEpoch()?.id : decodeHeader(last.frame).epochId;
    this.applied = new PositionWatch(position);
    this.saved = new PositionWatch(last?.lastPosition ?? position);
  }

  /** The highest position that is known to be committed, here or not. */
  get committedPosition(): Position {
    return Math.max(this.committed, this.applied.current);
  }

  /** The newest epoch of what was received, shown or not; undefined before the first batch. */
  get epochId(): Uint8Array | undefined {
    return this.receivedEpoch;
  }

  /** The newest number that the bank wants to be told back; 0 for none. */
  get echo(): number {
    return this.toldEcho;
  }

  /** The state, or undefined before the first contact with a bank. */
  get replay(): Replay | undefined {
    return this.replayed;
  }

  start(): void {
    this.running ??= this.run();
  }

  /** Ends the stream, saves what was received, and rejects whoever waits for more. Idempotent. */
  async close(): Promise<void> {
    this.stop.abort(new Error("the replica is closing"));
    this.saveNow();
    await this.running;
    while (this.saving !== undefined) await this.saving;
    // A second try settles what the first left in doubt.
    for (let tries = 0; this.unsaved.length > 0 && tries < 2; tries++)
      await this.saveAll().catch((error: unknown) => this.saveFailed(error));
    const closing = new RefusalError("NOT_READY", { problem: "it is shutting down" });
    this.applied.fail(closing);
    this.saved.fail(closing);
  }

  /** Saves what was received without waiting for more: somebody asks for what is on the disk. */
  saveNow(): void {
    this.gathering?.abort();
  }

  /** Resolves once all that has come is on the disk, or that takes too long. Never rejects. */
  async saveReceived(): Promise<void> {
    const newest = this.unsaved.at(-1);
    if (newest === undefined) return;
    this.saveNow();
    await this.saved.reached(newest.lastPosition, this.options.platform.timeout(SAVE_RECEIVED_TIMEOUT_MS)).catch(() => {
      // Whoever asks what is on the disk is told what is.
    });
  }

  private async run(): Promise<void> {
    const { platform } = this.options;
    const { signal } = this.stop;
    const backoff = new Backoff(platform, { minMs: RECONNECT_MIN_MS, maxMs: RECONNECT_MAX_MS });
    while (!signal.aborted) {
      const { current } = this.applied;
      const startedMs = platform.monotonicMs();
      try {
        await this.followOnce(signal);
      } catch (error) {
        // Nothing more comes for now, and whoever is asked next is told what is on the disk.
        this.saveNow();
        if (signal.aborted) break;
        this.lost(error);
      }
      if (signal.aborted) break;
      // A stream that brought nothing and did not last is no reason to hurry.
      if (this.applied.current > current || platform.monotonicMs() - startedMs >= STEADY_MS) backoff.reset();
      await backoff.wait(signal).catch(() => {
        // Only the signal ends the wait early, and the loop looks at it.
      });
    }
  }

  private async followOnce(signal: AbortSignal): Promise<void> {
    const from = {
      bankId: this.replayed?.bankId,
      epochId: this.replayed?.ledger.currentEpoch()?.id,
      position: this.applied.current,
      chainHash: this.replayed?.chainHash ?? new Uint8Array(0),
    };
    this.tail.beginStream();
    this.toldCommitted = 0;
    this.toldEcho = 0;
    for await (const message of this.options.openJournal(from, signal)) {
      await this.belongTo(message.bankId);
      this.setState("following");
      this.toldCommitted = Math.max(this.toldCommitted, message.committedPosition);
      this.committed = Math.max(this.committed, this.toldCommitted);
      if (message.received !== undefined) this.receive(message, message.received);
      this.applyCommitted();
      this.hear(message);
      if (this.unsavedBytes > UNSAVED_BYTES_MAX) await this.saving;
      if (signal.aborted) return;
    }
    throw new Error("the bank ended the stream");
  }

  private lost(error: unknown): void {
    const { platform, isDivergence } = this.options;
    if (error instanceof UntrustworthyError) {
      this.isTrusted = false;
      this.fail(error);
      return;
    }
    if (error instanceof ContradictedTailError) {
      platform.log.warn("what this copy has beyond the last committed position is not what the bank has", {
        position: this.applied.current,
        saved: this.saved.current,
        problem: error.message,
      });
      this.stop.abort(error);
      this.options.onContradicted();
      return;
    }
    const state = isDivergence(error) || error instanceof OtherBankError ? "diverged" : "connecting";
    if (state !== this.state)
      platform.log[state === "diverged" ? "error" : "warn"](
        state === "diverged" ? "the bank's journal is not a continuation of this copy's" : "lost the bank",
        { position: this.applied.current, problem: errorText(error) },
      );
    this.setState(state);
  }

  /** The first message ever makes an empty store a store of that bank. */
  private async belongTo(bankId: Uint8Array): Promise<void> {
    if (this.replayed === undefined) {
      await this.appender.try((store) => store.initialize(bankId));
      this.replayed = emptyReplay(bankId, this.options.platform);
    } else if (!bytesEqual(bankId, this.replayed.bankId)) {
      throw new OtherBankError(
        `the journal is of bank ${toHex(bankId)}, and this replica of ${toHex(this.replayed.bankId)}`,
      );
    }
  }

  private receive(message: FollowedBatch, received: ReceivedFrame): void {
    const { replayed } = this;
    assert(replayed !== undefined, "a batch is received by a replica of a bank");
    if (this.tail.isEmpty && message.lastPosition <= this.toldCommitted) {
      const previousHash = replayed.chainHash;
      const { header } = this.apply(replayed, received);
      const { firstPosition } = header;
      const { chainHash } = replayed;
      const { position: lastPosition } = replayed.ledger;
      this.keep({ firstPosition, lastPosition, frame: received.frame, previousHash, chainHash });
      this.show(lastPosition);
      return;
    }
    const applied = { position: this.applied.current, chainHash: replayed.chainHash };
    const batch = this.tail.take(applied, received, this.options.platform.sha256);
    if (batch !== undefined) this.keep(batch);
  }

  /** Applies what has waited until the bank committed it. */
  private applyCommitted(): void {
    const { replayed } = this;
    if (replayed === undefined) return;
    for (;;) {
      const batch = this.tail.nextCommitted(this.toldCommitted);
      if (batch === undefined) return;
      this.apply(replayed, batch);
      this.show(batch.lastPosition);
    }
  }

  private apply(replayed: Replay, received: ReceivedFrame): Batch {
    try {
      const batch = applyFrame(replayed, received, this.options.platform.sha256);
      replayed.ledger.forgetUndo(replayed.ledger.position);
      return batch;
    } catch (cause) {
      // At once: where it is being closed nobody looks at what it throws.
      this.isTrusted = false;
      throw new UntrustworthyError(`the batch behind position ${this.applied.current} cannot be applied`, { cause });
    }
  }

  private show(position: Position): void {
    this.applied.advance(position);
    this.options.onApplied(position);
  }

  private keep(batch: StoredBatch): void {
    const { epochId } = decodeHeader(batch.frame);
    // What was to be told back to an earlier bank is not told to this one.
    if (this.receivedEpoch === undefined || !bytesEqual(epochId, this.receivedEpoch)) this.toldEcho = 0;
    this.receivedEpoch = epochId;
    this.unsaved.push(batch);
    this.unsavedBytes += batch.frame.length;
    this.save();
  }

  private hear({ committedPosition, reportPosition, echo }: FeedNews): void {
    this.toldEcho = Math.max(this.toldEcho, echo);
    this.options.onNews({ committedPosition, reportPosition, echo: this.toldEcho });
    if (this.gathering !== undefined && this.isSavedAtOnce()) this.saveNow();
  }

  /** Saves in the background, everything that has gathered in one append. */
  private save(): void {
    if (this.saving !== undefined) return;
    this.saving = this.gather()
      .then(() => this.saveAll())
      .catch((error: unknown) => this.saveFailed(error))
      .finally(() => {
        this.saving = undefined;
        if (this.unsaved.length > 0 && !this.stop.signal.aborted) this.save();
      });
  }

  /** Resolves when what has come is to be saved. */
  private async gather(): Promise<void> {
    const { platform, saveWithinMs = SAVE_WITHIN_MS } = this.options;
    if (saveWithinMs > 0 && !this.isSavedAtOnce()) {
      this.gathering = new AbortController();
      await platform.delay(saveWithinMs, this.gathering.signal).catch(() => {
        // Only the signal ends the moment early.
      });
      this.gathering = undefined;
    }
    // What else comes in this turn goes along.
    await nextTurn(platform);
  }

  private isSavedAtOnce(): boolean {
    return this.unsavedBytes >= GATHERED_BYTES_MAX || this.stop.signal.aborted || this.options.isDiskAwaited();
  }

  private saveFailed(error: unknown): void {
    // While it closes, what could not be saved is simply received again by the next start.
    if (this.stop.signal.aborted) this.options.platform.log.warn("journal not saved", { problem: errorText(error) });
    else this.fail(error);
  }

  /** Stops following. What is shown stays as it is, for as long as the process lives. */
  private fail(error: unknown): void {
    this.stop.abort(error);
    this.saveNow();
    const failure = new RefusalError("NOT_READY", { problem: `the replica failed: ${errorText(error)}` });
    this.applied.fail(failure);
    this.saved.fail(failure);
    this.options.onFatal(error);
  }

  private async saveAll(): Promise<void> {
    while (this.unsaved.length > 0) {
      // They stay in the list until they are saved: a try that is given up loses none.
      const batches = [...this.unsaved];
      await this.append(batches);
      this.unsaved.splice(0, batches.length);
      for (const batch of batches) {
        this.unsavedBytes -= batch.frame.length;
        this.options.onSaved(batch);
      }
      this.saved.advance((batches.at(-1) as StoredBatch).lastPosition);
    }
  }

  /** Appends, however long it takes: what the bank has committed will not change. */
  private async append(batches: readonly StoredBatch[]): Promise<void> {
    const { platform } = this.options;
    const epoch = this.replayed?.ledger.currentEpoch()?.number ?? 0;
    const backoff = new Backoff(platform, { minMs: SAVE_RETRY_MIN_MS, maxMs: SAVE_RETRY_MAX_MS });
    for (;;) {
      try {
        await this.appender.try(async (store) => {
          await store.append(batches, { epoch });
          // Behind the append: fenced before it, a replica that crashed between the two could not save older batches.
          await store.fence(epoch);
        });
        return;
      } catch (error) {
        if (!(error instanceof AppendUnknownError || error instanceof AppendRefusedError)) throw error;
        platform.log.error("the branch cannot save the journal; trying again", { problem: errorText(error) });
        await backoff.wait(this.stop.signal);
      }
    }
  }

  private setState(state: FollowerState): void {
    if (state === this.state) return;
    this.state = state;
    this.options.onStateChange(state);
  }
}

/** Memory may hold half a batch, or the stream's bytes are not what their sender hashed. */
class UntrustworthyError extends Error {
  override readonly name = "UntrustworthyError";
}

/** Whoever answers is another bank. */
class OtherBankError extends Error {
  override readonly name = "OtherBankError";
}

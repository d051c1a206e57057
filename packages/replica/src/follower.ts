import { assert, type Position, RecordKind } from "@bank/core";
import { applyFrame, type Batch, type ReceivedFrame, type Replay } from "@bank/journal";
import type { JournalStore, StoredBatch } from "@bank/store";
import { AppendRefusedError, AppendUnknownError } from "@bank/store/errors";
import { Backoff } from "./backoff.ts";
import type { FollowerHead } from "./journal-feed.ts";
import { errorText, type Platform } from "./platform.ts";
import { PositionWatch } from "./position-watch.ts";
import { emptyReplay } from "./recover.ts";

/** One message of a journal's stream. */
export interface FollowedBatch {
  /** Absent in messages that carry only news of the committed position. */
  readonly received: ReceivedFrame | undefined;
  readonly lastPosition: Position;
  readonly committedPosition: Position;
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
const SAVE_RETRY_MIN_MS = 100;
const SAVE_RETRY_MAX_MS = 5_000;

export interface FollowerOptions {
  readonly store: JournalStore;
  readonly platform: Platform;
  /** undefined for a replica that belongs to no bank yet. */
  readonly replay: Replay | undefined;
  readonly openJournal: OpenJournal;
  /** Whether this error of `openJournal` says that the two journals differ. */
  readonly isDivergence: (error: unknown) => boolean;
  readonly onStateChange: (state: FollowerState) => void;
  /** Called when a batch is on this replica's disk. */
  readonly onSaved: (batch: StoredBatch) => void;
  /** Called once when memory cannot be trusted any more; the replica must recover from its store. */
  readonly onFatal: (error: unknown) => void;
}

/** Follows a journal: checks, applies, and keeps every batch, in that order, over any number of reconnections. */
export class Follower {
  /** What this replica shows. */
  readonly applied: PositionWatch;
  /** What is on this replica's disk. */
  readonly saved: PositionWatch;
  state: FollowerState = "connecting";
  private readonly options: FollowerOptions;
  private replayed: Replay | undefined;
  private readonly unsaved: StoredBatch[] = [];
  private unsavedBytes = 0;
  private saving: Promise<void> | undefined;
  private fenced = 0;
  private readonly stop = new AbortController();
  private running: Promise<void> | undefined;

  constructor(options: FollowerOptions) {
    this.options = options;
    this.replayed = options.replay;
    const position = options.replay?.ledger.position ?? 0;
    this.applied = new PositionWatch(position);
    this.saved = new PositionWatch(position);
  }

  /** The state, or undefined before the first contact with a bank. */
  get replay(): Replay | undefined {
    return this.replayed;
  }

  start(): void {
    this.running ??= this.run();
  }

  /** Ends the stream and saves what was received. */
  async close(): Promise<void> {
    this.stop.abort(new Error("the replica is closing"));
    await this.running;
    while (this.saving !== undefined) await this.saving;
    if (this.unsaved.length > 0) await this.saveAll().catch((error: unknown) => this.saveFailed(error));
  }

  private async run(): Promise<void> {
    const { platform } = this.options;
    const { signal } = this.stop;
    const backoff = new Backoff(platform, { minMs: 20, maxMs: 2_000 });
    while (!signal.aborted) {
      try {
        await this.followOnce(backoff, signal);
      } catch (error) {
        if (signal.aborted) break;
        this.lost(error);
      }
      if (signal.aborted) break;
      await backoff.wait(signal).catch(() => {
        // Only the signal ends the wait early, and the loop looks at it.
      });
    }
  }

  private async followOnce(backoff: Backoff, signal: AbortSignal): Promise<void> {
    const from = {
      bankId: this.replayed?.bankId,
      epochId: this.replayed?.ledger.currentEpoch()?.id,
      position: this.applied.current,
      chainHash: this.replayed?.chainHash ?? new Uint8Array(0),
    };
    for await (const message of this.options.openJournal(from, signal)) {
      await this.belongTo(message.bankId);
      this.setState("following");
      backoff.reset();
      if (message.received !== undefined) this.receive(message, message.received);
      if (this.unsavedBytes > UNSAVED_BYTES_MAX) await this.saving;
    }
    throw new Error("the bank ended the stream");
  }

  private lost(error: unknown): void {
    const { platform, isDivergence, onFatal } = this.options;
    if (isUntrustworthy(error)) {
      onFatal(error);
      this.stop.abort(error);
      return;
    }
    const state = isDivergence(error) ? "diverged" : "connecting";
    if (state !== this.state)
      platform.log[state === "diverged" ? "error" : "warn"](
        state === "diverged" ? "the bank's journal is not a continuation of this branch's" : "lost the bank",
        { position: this.applied.current, problem: errorText(error) },
      );
    this.setState(state);
  }

  /** The first message ever makes an empty store a store of that bank. */
  private async belongTo(bankId: Uint8Array): Promise<void> {
    if (this.replayed !== undefined) return;
    await this.options.store.initialize(bankId);
    this.replayed = emptyReplay(bankId, this.options.platform);
  }

  private receive(message: FollowedBatch, received: ReceivedFrame): void {
    const { replayed } = this;
    assert(replayed !== undefined, "a batch is received by a replica of a bank");
    assert(message.lastPosition <= message.committedPosition, "a bank streams only what it has committed");
    const previousHash = replayed.chainHash;
    let batch: Batch;
    try {
      batch = applyFrame(replayed, received, this.options.platform.sha256);
    } catch (cause) {
      throw new UntrustworthyError(`the batch behind position ${this.applied.current} cannot be applied`, { cause });
    }
    replayed.ledger.forgetUndo(replayed.ledger.position);
    this.unsaved.push({
      firstPosition: batch.header.firstPosition,
      lastPosition: replayed.ledger.position,
      frame: received.frame,
      previousHash,
      chainHash: replayed.chainHash,
    });
    this.unsavedBytes += received.frame.length;
    this.fenceFor(batch);
    this.applied.advance(replayed.ledger.position);
    this.save();
  }

  private fenceFor(batch: Batch): void {
    for (const record of batch.records) if (record.kind === RecordKind.EPOCH_BEGUN) this.fenced = record.number;
  }

  /** Saves in the background, everything that has gathered in one append. */
  private save(): void {
    if (this.saving !== undefined) return;
    const { platform } = this.options;
    this.saving = new Promise<void>((resolve) => platform.defer(resolve))
      .then(() => this.saveAll())
      .catch((error: unknown) => this.saveFailed(error))
      .finally(() => {
        this.saving = undefined;
        if (this.unsaved.length > 0 && !this.stop.signal.aborted) this.save();
      });
  }

  private saveFailed(error: unknown): void {
    // While it closes, what could not be saved is simply received again by the next start.
    if (this.stop.signal.aborted) this.options.platform.log.warn("journal not saved", { problem: errorText(error) });
    else this.options.onFatal(error);
  }

  private async saveAll(): Promise<void> {
    while (this.unsaved.length > 0) {
      const batches = this.unsaved.splice(0);
      await this.append(batches);
      for (const batch of batches) {
        this.unsavedBytes -= batch.frame.length;
        this.options.onSaved(batch);
      }
      this.saved.advance((batches.at(-1) as StoredBatch).lastPosition);
    }
  }

  /** Appends, however long it takes: what the bank has committed will not change. */
  private async append(batches: readonly StoredBatch[]): Promise<void> {
    const { store, platform } = this.options;
    const backoff = new Backoff(platform, { minMs: SAVE_RETRY_MIN_MS, maxMs: SAVE_RETRY_MAX_MS });
    let unknown = false;
    for (;;) {
      try {
        if (unknown) await store.recover();
        const epoch = this.fenced === 0 ? (this.replayed?.ledger.currentEpoch()?.number ?? 0) : this.fenced;
        await store.fence(epoch);
        await store.append(batches, { epoch });
        return;
      } catch (error) {
        if (error instanceof AppendUnknownError) unknown = true;
        else if (!(error instanceof AppendRefusedError)) throw error;
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

function isUntrustworthy(error: unknown): boolean {
  return error instanceof UntrustworthyError;
}

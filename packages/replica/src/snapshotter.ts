import type { Position } from "@bank/core";
import { type Replay, type Snapshot, takeSnapshot } from "@bank/journal";
import type { JournalStore } from "@bank/store";
import { errorText, type Platform } from "./platform.ts";

/** Takes a snapshot every so many records, so that a start replays no more than that. */
export class Snapshotter {
  private readonly options: {
    readonly replay: Replay;
    readonly store: JournalStore;
    readonly platform: Platform;
    readonly everyRecords: number;
    readonly onSaved: (snapshot: Snapshot) => void;
  };
  private lastPosition: Position;
  private saving: Promise<void> | undefined;

  constructor(options: Snapshotter["options"], lastPosition: Position) {
    // A saved snapshot is followed by the record of its root: that one record must not call for the next snapshot.
    this.options = { ...options, everyRecords: Math.max(options.everyRecords, 2) };
    this.lastPosition = lastPosition;
  }

  /** Called when the ledger is at a batch end that is durable in the store. */
  afterBatch(): void {
    const { replay, everyRecords } = this.options;
    if (replay.ledger.position - this.lastPosition >= everyRecords) this.start();
  }

  /**
   * Waits for the one that is being saved. Where the ledger is at a batch end that is durable in the store, takes one
   * more, unless the newest is of this very position.
   */
  async finish(options: { readonly isDurable: boolean }): Promise<void> {
    await this.saving;
    if (options.isDurable && this.options.replay.ledger.position > this.lastPosition) this.start();
    await this.saving;
  }

  private start(): void {
    if (this.saving !== undefined) return;
    const { replay, store, platform, onSaved } = this.options;
    const snapshot = takeSnapshot(replay, platform.sha256);
    this.lastPosition = snapshot.position;
    this.saving = store
      .saveSnapshot(snapshot)
      .then(() => onSaved(snapshot))
      .catch((error: unknown) => {
        // The journal holds everything; only the next start takes longer.
        platform.log.error("snapshot not saved", { position: snapshot.position, problem: errorText(error) });
      })
      .finally(() => {
        this.saving = undefined;
      });
  }
}

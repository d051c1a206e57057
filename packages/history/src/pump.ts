import type { Position } from "@bank/core";
import type { PositionWatch } from "@bank/replica";
import type { HistoryJournal, JournalBatch } from "./history-journal.ts";
import { MESSAGE_BYTES_MAX, MESSAGES_IN_FLIGHT_MAX, WAITING_BYTES_MAX } from "./limits.ts";
import type { Frames } from "./projection.ts";

export interface PumpOptions {
  readonly journal: HistoryJournal;
  /** How far the projection goes. */
  readonly projected: PositionWatch;
  /** Takes frames with their memory. */
  readonly project: (frames: Frames) => void;
}

/**
 * Brings a journal's frames to a projection. What comes while the projection is at work becomes its next transaction:
 * one frame when there is little to do, many when there is much. What it is behind waits in the journal, not in memory.
 */
export class Pump {
  private readonly options: PumpOptions;
  private readonly waiting: JournalBatch[] = [];
  private waitingBytes = 0;
  /** Last positions of the messages on their way. */
  private readonly inFlight: Position[] = [];
  /** Last position that was taken from the journal. */
  private taken: Position;

  constructor(options: PumpOptions) {
    this.options = options;
    this.taken = options.projected.current;
  }

  /** Follows the journal from where it was left. Rejects as `HistoryJournal.follow` does, and with the signal's reason. */
  async run(signal: AbortSignal): Promise<void> {
    const { journal, projected } = this.options;
    for await (const batch of journal.follow(this.taken, signal)) {
      this.taken = batch.lastPosition;
      this.waiting.push(batch);
      this.waitingBytes += batch.frame.length;
      this.send();
      while (this.waitingBytes > WAITING_BYTES_MAX) await projected.reached(this.inFlight[0] as Position, signal);
    }
  }

  /** A message is projected. Called after `projected` was advanced. */
  acknowledge(): void {
    this.inFlight.shift();
    this.send();
  }

  private send(): void {
    while (this.waiting.length > 0 && this.inFlight.length < MESSAGES_IN_FLIGHT_MAX) {
      const batches = this.takeMessage();
      const last = batches.at(-1) as JournalBatch;
      this.inFlight.push(last.lastPosition);
      // Copies, which can be handed over: the journal's own bytes go to followers too.
      const frames = batches.map(({ frame }) => new Uint8Array(frame));
      this.options.project({ frames, chainHash: new Uint8Array(last.chainHash) });
    }
  }

  private takeMessage(): JournalBatch[] {
    let bytes = 0;
    let count = 0;
    for (const { frame } of this.waiting) {
      if (count > 0 && bytes + frame.length > MESSAGE_BYTES_MAX) break;
      bytes += frame.length;
      count++;
    }
    this.waitingBytes -= bytes;
    return this.waiting.splice(0, count);
  }
}

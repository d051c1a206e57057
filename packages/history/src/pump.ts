import type { Position } from "@bank/core";
import type { Platform, PositionWatch } from "@bank/replica";
import type { HistoryJournal, JournalBatch } from "./history-journal.ts";
import { GATHER_MS, MESSAGE_BYTES_MAX, MESSAGES_IN_FLIGHT_MAX, WAITING_BYTES_MAX } from "./limits.ts";
import type { Frames } from "./projection.ts";

export interface PumpOptions {
  readonly journal: HistoryJournal;
  /** How far the projection goes. */
  readonly projected: PositionWatch;
  /** Takes frames with their memory. */
  readonly project: (frames: Frames) => void;
  readonly platform: Pick<Platform, "delay">;
}

/**
 * Brings a journal's frames to a projection. Frames are gathered for a moment, unless somebody waits for them, because a
 * transaction costs as much as the accounts in it, however many times each of them moved. What comes while the projection
 * is at work is gathered anyway. What it is behind waits in the journal, not in memory.
 */
export class Pump {
  private readonly options: PumpOptions;
  private readonly waiting: JournalBatch[] = [];
  private waitingBytes = 0;
  /** Last positions of the messages on their way. */
  private readonly inFlight: Position[] = [];
  /** Last position that was taken from the journal. */
  private taken: Position;
  /** Last position that was handed on. */
  private sent: Position;
  /** Up to here nothing is gathered any more. */
  private wanted: Position = 0;
  private isGathering = false;

  constructor(options: PumpOptions) {
    this.options = options;
    this.taken = options.projected.current;
    this.sent = this.taken;
  }

  /** Follows the journal from where it was left. Rejects as `HistoryJournal.follow` does, and with the signal's reason. */
  async run(signal: AbortSignal): Promise<void> {
    const { journal, projected } = this.options;
    for await (const batch of journal.follow(this.taken, signal)) {
      this.taken = batch.lastPosition;
      this.waiting.push(batch);
      this.waitingBytes += batch.frame.length;
      this.gather(signal);
      this.send();
      while (this.waitingBytes > WAITING_BYTES_MAX) await projected.reached(this.inFlight[0] as Position, signal);
    }
  }

  /** A message is projected. Called after `projected` was advanced. */
  acknowledge(): void {
    this.inFlight.shift();
    this.send();
  }

  /** Somebody waits for this position. */
  want(position: Position): void {
    this.wanted = Math.max(this.wanted, position);
    this.send();
  }

  /** Wants what has come once it has been gathered for a while. */
  private gather(signal: AbortSignal): void {
    if (this.isGathering) return;
    this.isGathering = true;
    this.options.platform.delay(GATHER_MS, signal).then(
      () => {
        this.isGathering = false;
        this.want(this.taken);
      },
      () => {
        // Nobody follows the journal any more, and the projection with it ends.
      },
    );
  }

  private send(): void {
    while (this.waiting.length > 0 && this.inFlight.length < MESSAGES_IN_FLIGHT_MAX) {
      if (this.sent >= this.wanted && this.waitingBytes < MESSAGE_BYTES_MAX) return;
      const batches = this.takeMessage();
      const last = batches.at(-1) as JournalBatch;
      this.sent = last.lastPosition;
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

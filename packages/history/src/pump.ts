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
 * Brings a journal's frames to a projection. Frames are gathered for a moment, unless somebody waits for them: the threads
 * then have little to tell each other. Meanwhile nothing is done for a batch that comes: it is read from the journal with
 * all others when the moment is over. What comes while the projection is at work is gathered anyway. What it is behind
 * waits in the journal, not in memory.
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
  /** The moment is over, and what came in it is to be read before anything is handed on. */
  private isOver = false;
  /** Set while `run` sleeps, which it does only while frames are gathered. */
  private wake: (() => void) | undefined;

  constructor(options: PumpOptions) {
    this.options = options;
    this.taken = options.projected.current;
    this.sent = this.taken;
  }

  /** Follows the journal from where it was left. Rejects as `HistoryJournal.follow` does, and with the signal's reason. */
  async run(signal: AbortSignal): Promise<void> {
    const { journal, projected } = this.options;
    // Left over where the journal has failed before.
    this.want(this.taken);
    for await (const batch of journal.follow(this.taken, signal)) {
      this.taken = batch.lastPosition;
      this.waiting.push(batch);
      this.waitingBytes += batch.frame.length;
      this.gather(signal);
      this.send();
      while (this.waitingBytes > WAITING_BYTES_MAX) await projected.reached(this.inFlight[0] as Position, signal);
      if (this.taken < journal.position) continue;
      if (this.isOver) this.handOn();
      if (this.isGathering && this.sent >= this.wanted) await this.woken();
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
    if (this.sent < this.wanted) this.wake?.();
  }

  /** Hands on what has come once it has been gathered for a while. */
  private gather(signal: AbortSignal): void {
    if (this.isGathering) return;
    this.isGathering = true;
    this.options.platform.delay(GATHER_MS, signal).then(
      () => {
        this.isGathering = false;
        if (this.taken < this.options.journal.position) this.isOver = true;
        else this.handOn();
        this.wake?.();
      },
      // Nobody follows the journal any more, and the projection with it ends.
      () => this.wake?.(),
    );
  }

  /** Everything that was taken. */
  private handOn(): void {
    this.isOver = false;
    this.want(this.taken);
  }

  private woken(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = () => {
        this.wake = undefined;
        resolve();
      };
    });
  }

  private send(): void {
    while (this.waiting.length > 0 && this.inFlight.length < MESSAGES_IN_FLIGHT_MAX) {
      if (this.sent >= this.wanted && this.waitingBytes < MESSAGE_BYTES_MAX) return;
      const batches = this.takeMessage();
      const last = batches.at(-1) as JournalBatch;
      this.sent = last.lastPosition;
      this.inFlight.push(last.lastPosition);
      this.options.project({ frames: copiesOf(batches), chainHash: new Uint8Array(last.chainHash) });
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

/** Frames that can be handed over: the journal's own bytes go to followers too. In one piece, which is handed over at once. */
function copiesOf(batches: readonly JournalBatch[]): Uint8Array[] {
  const memory = new Uint8Array(batches.reduce((bytes, { frame }) => bytes + frame.length, 0));
  let end = 0;
  return batches.map(({ frame }) => {
    const begin = end;
    end += frame.length;
    memory.set(frame, begin);
    return memory.subarray(begin, end);
  });
}

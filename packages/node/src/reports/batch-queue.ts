import type { ReceivedFrame } from "@bank/journal";

/** Frames that wait: beyond this whoever fills it waits until some are taken. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;
/** What is taken at once, unless one frame alone is larger. */
const TAKEN_BYTES_MAX = 2 * 1024 * 1024;
/** So many small frames are enough for one transaction. */
const TAKEN_FRAMES_MAX = 4_096;

/** Frames between whoever receives them and whoever writes: bounded, and what gathers while one writes is taken in one piece. */
export class BatchQueue {
  private waiting: ReceivedFrame[] = [];
  private bytes = 0;
  private ending: { readonly error: unknown } | "ended" | undefined;
  private isNudged = false;
  /** Resolves with the next change; undefined while nobody waits for it. */
  private changing: PromiseWithResolvers<void> | undefined;

  /** Resolves once there is room for more. Rejects with what it was failed with. */
  async push(frame: ReceivedFrame): Promise<void> {
    this.waiting.push(frame);
    this.bytes += frame.frame.length;
    this.wake();
    while (this.bytes > WAITING_BYTES_MAX) {
      this.throwIfFailed();
      await this.changed();
    }
  }

  /** Nothing more comes: what waits is still taken. */
  end(): void {
    this.ending ??= "ended";
    this.wake();
  }

  /** Whoever waits, or comes, is rejected with the error. */
  fail(error: unknown): void {
    if (this.ending === undefined || this.ending === "ended") this.ending = { error };
    this.wake();
  }

  /** Whoever waits for frames goes on without any, now or when he comes. */
  nudge(): void {
    this.isNudged = true;
    this.wake();
  }

  /** The next frames, none only behind a nudge; undefined once it was ended and all are taken. Rejects with what it was failed with. */
  async take(): Promise<readonly ReceivedFrame[] | undefined> {
    for (;;) {
      this.throwIfFailed();
      if (this.waiting.length > 0) break;
      if (this.ending === "ended") return undefined;
      if (this.isNudged) break;
      await this.changed();
    }
    this.isNudged = false;
    let bytes = 0;
    let count = 0;
    for (const { frame } of this.waiting) {
      if (count > 0 && (bytes + frame.length > TAKEN_BYTES_MAX || count === TAKEN_FRAMES_MAX)) break;
      bytes += frame.length;
      count++;
    }
    this.bytes -= bytes;
    this.wake();
    return this.waiting.splice(0, count);
  }

  private throwIfFailed(): void {
    if (typeof this.ending === "object") throw this.ending.error;
  }

  private changed(): Promise<void> {
    this.changing ??= Promise.withResolvers();
    return this.changing.promise;
  }

  private wake(): void {
    this.changing?.resolve();
    this.changing = undefined;
  }
}

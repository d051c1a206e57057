import type { Position } from "@bank/core";

/** The bank's answer to a read-index question. */
export interface ReadIndex {
  readonly position: Position;
  /** 16 bytes: the epoch of the bank's last committed batch. */
  readonly epochId: Uint8Array;
  /** The number of that epoch. */
  readonly epoch: number;
  /** For so long, from when it sent the question, the asker may call itself connected. */
  readonly connectedMs: number;
}

interface Question {
  readonly answer: Promise<ReadIndex>;
  readonly resolve: (index: ReadIndex) => void;
  readonly reject: (reason: unknown) => void;
  /** When the first of its readers came. */
  readonly sinceMs: number;
}

/**
 * Asks the bank how far it is, once for all reads that were waiting when the question was sent, and never for one that
 * came later: an answer proves nothing about what was committed after its question. At most one question is in flight.
 */
export class ReadGate {
  private readonly ask: () => Promise<ReadIndex>;
  private readonly nowMs: () => number;
  private waiting: Question | undefined;
  private asked: Question | undefined;
  private isPumping = false;
  /** Questions sent so far. */
  questions = 0;

  /** @param nowMs any clock; the one by which `expire` is called. */
  constructor(ask: () => Promise<ReadIndex>, nowMs: () => number = () => 0) {
    this.ask = ask;
    this.nowMs = nowMs;
  }

  /** The committed position as it stood at some moment after this call. Rejects as `ask` does, and as `fail` says. */
  readIndex(): Promise<ReadIndex> {
    this.waiting ??= newQuestion(this.nowMs());
    const { answer } = this.waiting;
    void this.pump();
    return answer;
  }

  /** Ends the wait of everybody who waits now. A question that is in flight stays so; nobody waits for it any more. */
  fail(reason: unknown): void {
    this.asked?.reject(reason);
    this.waiting?.reject(reason);
    this.waiting = undefined;
  }

  /** Likewise, where the first who waits for the same answer has waited since this moment or longer. */
  expire(sinceMs: number, reason: () => unknown): void {
    if (this.asked !== undefined && this.asked.sinceMs <= sinceMs) this.asked.reject(reason());
    if (this.waiting === undefined || this.waiting.sinceMs > sinceMs) return;
    this.waiting.reject(reason());
    this.waiting = undefined;
  }

  private async pump(): Promise<void> {
    if (this.isPumping) return;
    this.isPumping = true;
    while (this.waiting !== undefined) {
      // Those who call in this very turn still get in before the question is sent.
      await Promise.resolve();
      const question = this.waiting;
      // They may all have been told not to wait.
      if (question === undefined) break;
      this.waiting = undefined;
      this.asked = question;
      this.questions++;
      try {
        question.resolve(await this.ask());
      } catch (error) {
        question.reject(error);
      }
      this.asked = undefined;
    }
    this.isPumping = false;
  }
}

function newQuestion(sinceMs: number): Question {
  const { promise: answer, resolve, reject } = Promise.withResolvers<ReadIndex>();
  return { answer, resolve, reject, sinceMs };
}

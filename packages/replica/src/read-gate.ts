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
}

/**
 * Asks the bank how far it is, once for all reads that were waiting when the question was sent, and never for one that
 * came later: an answer proves nothing about what was committed after its question. At most one question is in flight.
 */
export class ReadGate {
  private readonly ask: () => Promise<ReadIndex>;
  private waiting: Question | undefined;
  private asking = false;
  /** Questions sent so far. */
  questions = 0;

  constructor(ask: () => Promise<ReadIndex>) {
    this.ask = ask;
  }

  /** The committed position as it stood at some moment after this call. Rejects as `ask` does. */
  readIndex(): Promise<ReadIndex> {
    this.waiting ??= newQuestion();
    const { answer } = this.waiting;
    void this.pump();
    return answer;
  }

  private async pump(): Promise<void> {
    if (this.asking) return;
    this.asking = true;
    while (this.waiting !== undefined) {
      // Those who call in this very turn still get in before the question is sent.
      await Promise.resolve();
      const question = this.waiting;
      this.waiting = undefined;
      this.questions++;
      try {
        question.resolve(await this.ask());
      } catch (error) {
        question.reject(error);
      }
    }
    this.asking = false;
  }
}

function newQuestion(): Question {
  const { promise: answer, resolve, reject } = Promise.withResolvers<ReadIndex>();
  return { answer, resolve, reject };
}

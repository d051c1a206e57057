import type { Position } from "@bank/core";
import { PositionWatch } from "@bank/replica";
import type { HistoryJournal, JournalBatch } from "./history-journal.ts";
import type { TestBatch } from "./random-journal.test-util.ts";

/** A journal in memory that can be followed, and told to fail. */
export class TestJournal implements HistoryJournal {
  readonly batches: TestBatch[] = [];
  /** Batches handed out so far. */
  read = 0;
  /** What `follow` fails with, at its next step. */
  failure: Error | undefined;
  private readonly shown = new PositionWatch(0);

  constructor(batches: readonly TestBatch[] = []) {
    for (const batch of batches) this.append(batch);
  }

  get position(): Position {
    return this.shown.current;
  }

  append(...batches: readonly TestBatch[]): void {
    for (const batch of batches) {
      this.batches.push(batch);
      this.shown.advance(batch.lastPosition);
    }
  }

  async *follow(after: Position, signal: AbortSignal): AsyncGenerator<JournalBatch> {
    let position = after;
    for (;;) {
      await this.shown.reached(position + 1, signal);
      for (const batch of this.batches.filter(({ lastPosition }) => lastPosition > position)) {
        if (this.failure !== undefined) throw this.failure;
        this.read++;
        yield batch;
        position = batch.lastPosition;
      }
    }
  }

  async head(at: Position): Promise<{ chainHash: Uint8Array | undefined; epochId: Uint8Array | undefined }> {
    const batch = this.batches.find(({ lastPosition }) => lastPosition === at);
    return { chainHash: batch?.chainHash, epochId: batch?.epochId };
  }
}

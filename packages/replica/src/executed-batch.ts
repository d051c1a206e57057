import {
  assert,
  type Ledger,
  type Mark,
  mark,
  type Position,
  RecordList,
  type RefusalError,
  rollback,
} from "@bank/core";
import type { Job } from "./job.ts";
import { recordOfBatch } from "./outcome.ts";

/** A request whose answer is a record of this batch, or was computed from one. */
interface FromBatch {
  readonly job: Job;
  readonly index: number;
  /** Of the record that answers, or of the newest one when the error was computed. */
  readonly position: Position;
  /** undefined where the record itself is the answer. */
  readonly error: RefusalError | undefined;
  readonly replayed: boolean;
}

/** A request whose answer is a record of an earlier batch. */
export interface Replay {
  readonly job: Job;
  readonly index: number;
  readonly position: Position;
  isAnswered: boolean;
}

/** A batch that was executed on the ledger, and is not durable yet. */
export class ExecutedBatch {
  readonly mark: Mark;
  readonly timeMs: number;
  readonly records = new RecordList();
  /** Requests taken from the queue. */
  taken = 0;
  /** Jobs at the front of the queue that are done with, or lack an original. */
  jobsPassed = 0;
  /** Jobs whose next request lacks an original; others went before them. */
  readonly lacking: Job[] = [];
  readonly replays: Replay[] = [];
  /** Jobs of which no request is left in the queue. */
  readonly finished: Job[] = [];
  /** Jobs of which a request was executed here, and the index of the first of these. */
  readonly jobs = new Map<Job, number>();
  private readonly fromBatch: FromBatch[] = [];

  constructor(ledger: Ledger, timeMs: number) {
    this.mark = mark(ledger);
    this.timeMs = timeMs;
  }

  /** Nothing came of it at all. */
  get isEmpty(): boolean {
    return this.records.length === 0 && this.taken === 0 && this.jobsPassed === 0;
  }

  get firstPosition(): Position {
    return this.mark.position + 1;
  }

  addFromBatch(entry: FromBatch): void {
    this.fromBatch.push(entry);
  }

  /** The batch is durable: what was computed from it are answers. */
  answerFromBatch(): void {
    const { firstPosition, timeMs, records } = this;
    const batch = { header: { firstPosition, timeMs }, records };
    for (const { job, index, position, error, replayed } of this.fromBatch) {
      if (error !== undefined) {
        job.answer(index, { kind: "refused", error, position });
        continue;
      }
      const record = recordOfBatch(batch, position);
      assert(record !== undefined, "an answer is a record of its batch");
      job.answer(index, { ...record, kind: "answered", replayed });
    }
  }

  /** The batch was not stored: nothing that was computed from it leaves, whatever it was. */
  refuseFromBatch(error: RefusalError): void {
    for (const { job, index } of this.fromBatch) job.answer(index, { kind: "refused", error, position: 0 });
  }
}

/** Takes an executed batch back from the ledger. */
export function rollbackBatch(ledger: Ledger, batch: ExecutedBatch): void {
  rollback(ledger, batch.mark, batch.records);
}

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

/** Entries that were carried out plainly: records of this batch answer them, one each. */
interface Rows {
  readonly job: Job;
  readonly first: number;
  /** Of the record that answers the first. */
  readonly position: Position;
  count: number;
}

/** An entry whose answer is a record of this batch, or was computed from one. */
interface FromBatch {
  readonly job: Job;
  readonly index: number;
  /** Of the record that answers, or of the newest one when the error was computed. */
  readonly position: Position;
  /** undefined where the record itself is the answer. */
  readonly error: RefusalError | undefined;
  readonly replayed: boolean;
}

/** An entry whose answer is a record of an earlier batch. */
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
  readonly records: RecordList;
  /** Entries taken from the queue. */
  taken = 0;
  /** Whether an entry was refused by what the ledger says. */
  isComputed = false;
  /** Jobs at the front of the queue that are done with, or lack an original. */
  jobsPassed = 0;
  /** Jobs whose next entry lacks an original; others went before them. */
  readonly lacking: Job[] = [];
  readonly replays: Replay[] = [];
  /** Jobs of which no entry is left in the queue. */
  readonly finished: Job[] = [];
  /** Jobs of which an entry was executed here; each knows with which it began. */
  readonly jobs: Job[] = [];
  private readonly rows: Rows[] = [];
  private readonly fromBatch: FromBatch[] = [];

  /** @param expected about how many records there will be. */
  constructor(ledger: Ledger, timeMs: number, expected: number) {
    this.mark = mark(ledger);
    this.timeMs = timeMs;
    this.records = new RecordList(expected);
  }

  /** Nothing came of it at all. */
  get isEmpty(): boolean {
    return this.records.length === 0 && this.taken === 0 && this.jobsPassed === 0;
  }

  get firstPosition(): Position {
    return this.mark.position + 1;
  }

  /** An entry is executed here; the first of its job counts. */
  begin(job: Job, index: number): void {
    if (job.begunAt >= 0) return;
    job.begunAt = index;
    this.jobs.push(job);
  }

  /**
   * Entries that follow each other were carried out plainly.
   *
   * @param position of the first record.
   */
  addRows(job: Job, first: number, count: number, position: Position): void {
    const last = this.rows.at(-1);
    const isNext = last?.job === job && last.first + last.count === first && last.position + last.count === position;
    if (isNext) last.count += count;
    else this.rows.push({ job, first, count, position });
  }

  addFromBatch(entry: FromBatch): void {
    this.fromBatch.push(entry);
  }

  /** The batch is durable: what was computed from it are answers. */
  answerFromBatch(): void {
    const { firstPosition, timeMs, records } = this;
    const batch = { header: { firstPosition, timeMs }, records };
    for (const rows of this.rows) rows.job.answerRows(rows, batch);
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
    const refused = { kind: "refused", error, position: 0 } as const;
    for (const { job, first, count } of this.rows)
      for (let index = first; index < first + count; index++) job.answer(index, refused);
    for (const { job, index } of this.fromBatch) job.answer(index, refused);
  }
}

/** Takes an executed batch back from the ledger. */
export function rollbackBatch(ledger: Ledger, batch: ExecutedBatch): void {
  rollback(ledger, batch.mark, batch.records);
}

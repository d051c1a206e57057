import type { Position } from "@bank/core";
import type { FrameReader } from "@bank/journal";
import { CorruptStoreError } from "@bank/store/errors";
import type { Replay } from "./executed-batch.ts";
import type { Job } from "./job.ts";
import { nextTurn } from "./next-turn.ts";
import type { Outcome } from "./outcome.ts";
import type { Platform } from "./platform.ts";
import { recordDamaged } from "./refusals.ts";
import { committedRecords, positionsIn, readUnlessDamaged } from "./stored-records.ts";

export interface ReplayAnswersOptions {
  readonly platform: Pick<Platform, "defer" | "log">;
  /** Reads the stored batch with a position. */
  readonly read: (position: Position) => Promise<FrameReader>;
  /** Called when a stored batch cannot be read, unless it is damaged: then only those are refused whose answers are in it. */
  readonly onFailed: (error: unknown) => void;
}

/**
 * Looks up the answers of requests that were answered in earlier batches, beside the batches that are executed
 * meanwhile. A stored batch is read once for all who wait for it: a call with thousands of requests is mostly retried
 * as a whole. Jobs take turns of one stored batch each, so that whoever lacks little is not behind whoever lacks much.
 */
export class ReplayAnswers {
  private readonly options: ReplayAnswersOptions;
  /** What each job lacks; the first has the next turn. */
  private readonly turns = new Map<Job, Replay[]>();
  private readonly byPosition = new Map<Position, Replay[]>();
  private count = 0;
  private task: Promise<void> | undefined;

  constructor(options: ReplayAnswersOptions) {
    this.options = options;
  }

  /** Requests that wait for their answers here. */
  get waiting(): number {
    return this.count;
  }

  /** Never rejects; undefined while nobody waits. */
  get running(): Promise<void> | undefined {
    return this.task;
  }

  /** Takes requests that were answered in committed batches. Their jobs are told no sooner than their answers are there. */
  add(replays: readonly Replay[]): void {
    for (const replay of replays) {
      replay.job.owed++;
      append(this.turns, replay.job, replay);
      append(this.byPosition, replay.position, replay);
    }
    this.count += replays.length;
    if (this.count > 0) this.task ??= this.run();
  }

  /** Forgets everything; gives the jobs that lack an answer. */
  clear(): readonly Job[] {
    const jobs = [...this.turns.keys()];
    this.turns.clear();
    this.byPosition.clear();
    this.count = 0;
    return jobs;
  }

  private async run(): Promise<void> {
    try {
      for (;;) {
        await nextTurn(this.options.platform);
        const next = this.next();
        if (next === undefined) break;
        const frame = await readUnlessDamaged(this.options.read, next.position);
        if (frame instanceof CorruptStoreError) this.refuse(next.position, frame);
        else this.answerFrom(frame);
      }
    } catch (error) {
      this.options.onFailed(error);
    } finally {
      this.task = undefined;
    }
  }

  /** The next to be looked up, whose job goes behind the others. */
  private next(): Replay | undefined {
    for (const [job, replays] of this.turns) {
      this.turns.delete(job);
      for (let last = replays.at(-1); last !== undefined; last = replays.at(-1)) {
        if (!last.isAnswered && !job.isTold) {
          this.turns.set(job, replays);
          return last;
        }
        if (!last.isAnswered) this.forget(last);
        replays.pop();
      }
    }
    return undefined;
  }

  private answerFrom(frame: FrameReader): void {
    for (const found of committedRecords(frame, positionsIn(frame, this.byPosition)))
      this.answer(found.position, { ...found, kind: "answered", replayed: true });
  }

  /** It was answered once, and nobody knows any more with what. */
  private refuse(position: Position, damage: CorruptStoreError): void {
    const error = recordDamaged(this.options.platform.log, position, "OUTCOME_UNKNOWN", damage);
    this.answer(position, { kind: "refused", error, position });
  }

  private answer(position: Position, outcome: Outcome): void {
    for (const replay of this.byPosition.get(position) ?? []) {
      const { job, index } = replay;
      replay.isAnswered = true;
      this.count--;
      job.answer(index, outcome);
      job.owed--;
      job.settleIfDone();
    }
    this.byPosition.delete(position);
  }

  /** Nobody waits for it any more: its caller gave up. */
  private forget(replay: Replay): void {
    const { position } = replay;
    const others = (this.byPosition.get(position) ?? []).filter((other) => other !== replay);
    if (others.length > 0) this.byPosition.set(position, others);
    else this.byPosition.delete(position);
    this.count--;
  }
}

function append<Key, Value>(lists: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

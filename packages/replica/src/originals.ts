import {
  BATCH_RECORDS_MAX,
  type Command,
  type Ledger,
  type LedgerRecord,
  originalsOf,
  type Position,
} from "@bank/core";
import type { FrameReader } from "@bank/journal";
import { CorruptStoreError } from "@bank/store/errors";
import type { Job } from "./job.ts";
import { nextTurn } from "./next-turn.ts";
import type { Platform } from "./platform.ts";
import { recordDamaged } from "./refusals.ts";
import { positionsIn, readUnlessDamaged } from "./stored-records.ts";

/** Stored batches that are read before the jobs that waited for them go on … */
export const ORIGINAL_BATCHES_MAX = 64;
/** … and about how long that may take, in milliseconds. */
const ROUND_MS_MAX = 20;
/** Positions that are looked for at once, and records that are kept for jobs that can go on. */
const LOOKAHEAD_MAX = BATCH_RECORDS_MAX;

export interface OriginalsOptions {
  readonly ledger: Ledger;
  readonly platform: Pick<Platform, "defer" | "monotonicMs" | "log">;
  readonly committedPosition: () => Position;
  /** Reads the stored batch with a position. */
  readonly read: (position: Position) => Promise<FrameReader>;
  /** Called with jobs whose next request lacks nothing any more, or which are cancelled; oldest first. */
  readonly onReady: (jobs: readonly Job[]) => void;
  /** Called when a stored batch cannot be read, unless it is damaged. */
  readonly onFailed: (error: unknown) => void;
}

/**
 * Fetches the earlier records that reversals are decided by, for jobs that lack them, beside the batches that are
 * executed meanwhile: nobody else waits for it. It goes in rounds, so that many reversals share a batch. A round looks
 * first for the next request of every job that waits: no long job keeps the others waiting.
 */
export class Originals {
  private readonly options: OriginalsOptions;
  private readonly waiting = new Set<Job>();
  /** Jobs that can go on, with what was fetched for them. */
  private readonly supplied = new Set<Job>();
  private task: Promise<void> | undefined;

  constructor(options: OriginalsOptions) {
    this.options = options;
  }

  /** Never rejects; undefined while nothing is fetched. */
  get running(): Promise<void> | undefined {
    return this.task;
  }

  /** Jobs that wait here. */
  get aside(): Iterable<Job> {
    return this.waiting;
  }

  /** Takes jobs whose next request lacks an original. To be called after each batch, also without jobs. */
  wait(jobs: readonly Job[]): void {
    for (const job of jobs) {
      this.supplied.delete(job);
      this.waiting.add(job);
    }
    if (this.mayFetch()) this.task ??= this.run();
  }

  /** Forgets all jobs that wait, and gives them. */
  clear(): readonly Job[] {
    const jobs = [...this.waiting];
    this.waiting.clear();
    return jobs;
  }

  /** Whether somebody waits, and those who can go on are not so many that they had better go first. */
  private mayFetch(): boolean {
    if (this.waiting.size === 0) return false;
    let kept = 0;
    for (const job of this.supplied) {
      const size = job.cancelled ? 0 : (job.originals?.size ?? 0);
      if (size === 0) this.supplied.delete(job);
      else kept += size;
    }
    return kept < LOOKAHEAD_MAX;
  }

  private async run(): Promise<void> {
    try {
      while (this.mayFetch()) {
        await this.fetchRound();
        this.release();
      }
    } catch (error) {
      this.options.onFailed(error);
    } finally {
      this.task = undefined;
    }
  }

  private async fetchRound(): Promise<void> {
    const { platform, read } = this.options;
    const startedMs = platform.monotonicMs();
    const wanted = this.wanted();
    let batches = 0;
    // What is found on the way is taken out, and not come to any more.
    for (const position of wanted.keys()) {
      const isLate = batches > 0 && platform.monotonicMs() - startedMs >= ROUND_MS_MAX;
      if (isLate || batches >= ORIGINAL_BATCHES_MAX) return;
      await nextTurn(platform);
      batches++;
      const frame = await readUnlessDamaged(read, position);
      if (frame instanceof CorruptStoreError) {
        // They alone are refused: nobody else needs it.
        const error = recordDamaged(platform.log, position, "NOT_APPLIED", frame);
        for (const job of wanted.get(position) ?? []) job.lose(position, error);
        continue;
      }
      const positions = positionsIn(frame, wanted);
      frame.recordsAt(positions).forEach((record, i) => {
        const found = positions[i] as Position;
        for (const job of wanted.get(found) ?? []) job.originals?.set(found, record);
        wanted.delete(found);
      });
    }
  }

  /** Who lacks what, in the order in which it is fetched. Forgets what nobody needs any more. */
  private wanted(): Map<Position, Job[]> {
    const wanted = new Map<Position, Job[]>();
    const fetched = new Map<Job, ReadonlyMap<Position, LedgerRecord> | undefined>();
    let looks = 0;
    let jobs: Iterable<Job> = this.waiting;
    for (let ahead = 0; ; ahead++) {
      const longer: Job[] = [];
      for (const job of jobs) {
        if (looks++ >= LOOKAHEAD_MAX || wanted.size >= LOOKAHEAD_MAX) return wanted;
        const index = job.next + ahead;
        if (ahead === 0) {
          fetched.set(job, job.originals);
          job.originals = new Map();
        }
        for (const position of this.originalsFor(job, index)) {
          const record = fetched.get(job)?.get(position);
          if (record !== undefined) job.originals?.set(position, record);
          else if (wanted.has(position)) wanted.get(position)?.push(job);
          else wanted.set(position, [job]);
        }
        if (index + 1 < job.count && !job.cancelled) longer.push(job);
      }
      if (longer.length === 0) return wanted;
      jobs = longer;
    }
  }

  private release(): void {
    const ready = [...this.waiting].filter((job) => job.cancelled || !this.isLacking(job));
    for (const job of ready) {
      this.waiting.delete(job);
      this.supplied.add(job);
    }
    if (ready.length > 0) this.options.onReady(ready);
  }

  private isLacking(job: Job): boolean {
    return this.originalsFor(job, job.next).some((position) => !job.originals?.has(position));
  }

  /** The committed records that a request is decided by. */
  private originalsFor(job: Job, index: number): readonly Position[] {
    if (index >= job.count || job.cancelled) return [];
    const { ledger, committedPosition } = this.options;
    const end = committedPosition();
    const { command } = job.requestAt(index);
    if (!mayNeedOriginals(command) || job.refusalAt(index) !== undefined) return [];
    if (job.damageFor(command) !== undefined) return [];
    const positions = originalsOf(command).filter((position) => position > 0 && position <= end);
    if (positions.length === 0) return [];
    // What was answered before is not decided again.
    return job.rememberedAt(ledger, index) >= 0 ? [] : positions;
  }
}

/** Said without a look into a group: one that is malformed may be of any size. */
function mayNeedOriginals({ kind }: Command): boolean {
  return kind === "reverse" || kind === "group";
}

import { bytesEqual, type Position, RefusalError } from "@bank/core";
import { abortable, Backoff, errorText, type Platform, PositionWatch } from "@bank/replica";
import { MEMORY } from "./database.ts";
import type { HistoryJournal } from "./history-journal.ts";
import { LagWatch } from "./lag-watch.ts";
import {
  KEEP_AFTER_MS,
  LAG_CHECK_MS,
  LAG_WARNING_RECORDS,
  REBUILDS_MAX,
  RETRY_MAX_MS,
  RETRY_MIN_MS,
} from "./limits.ts";
import type { ProjectionHead } from "./projection.ts";
import { type Opened, ProjectionWorker, WorkerFailedError } from "./projection-worker.ts";
import { Pump } from "./pump.ts";
import type { Queries, QueryName } from "./queries.ts";

export interface HistoryOptions {
  readonly journal: HistoryJournal;
  /** Path of the file; undefined for a history that lives in memory alone. */
  readonly file: string | undefined;
  /** `eager`: from the start on. `lazy`: from the first question on, and until then it costs nothing. */
  readonly start: "eager" | "lazy";
  readonly platform: Pick<Platform, "delay" | "log" | "monotonicMs" | "random">;
  /** How many records behind is worth a warning; half a million where nothing is said. */
  readonly lagWarningRecords?: number;
  /**
   * How long what is projected may wait to be written, in milliseconds; ten seconds where nothing is said. Whoever reads does
   * not notice: what a process that dies has not written is projected once more.
   */
  readonly keepAfterMs?: number;
}

/** A worker whose projection is one of this journal. */
interface Live {
  readonly worker: ProjectionWorker;
  readonly projected: PositionWatch;
  readonly pump: Pump;
}

type State =
  /** Nobody has asked yet. Left by the first question. */
  | { readonly kind: "dormant" }
  /** A worker opens its file. Left when that is proved to be of this journal, or fails. */
  | { readonly kind: "opening"; readonly left: PromiseWithResolvers<void> }
  /** Questions are answered. Left when the worker dies. */
  | { readonly kind: "live"; readonly live: Live }
  /** The worker died; another is started after a while, unless building it anew has not helped. */
  | { readonly kind: "down"; readonly problem: string }
  | { readonly kind: "closed" };

/**
 * The history of a journal: an SQLite projection in a thread of its own, which follows the journal beside whoever
 * writes it. Whatever becomes of it, the journal's owner goes on: questions are then refused as NOT_READY, and another
 * thread is tried.
 */
export class History {
  private readonly options: HistoryOptions;
  private readonly closing = new AbortController();
  private state: State = { kind: "dormant" };
  private running: Promise<void> | undefined;

  constructor(options: HistoryOptions) {
    this.options = options;
    if (options.start === "eager") this.wake();
  }

  /** How far it goes; undefined while there is none. */
  get projectedPosition(): Position | undefined {
    return this.state.kind === "live" ? this.state.live.projected.current : undefined;
  }

  /** Resolves once it goes so far. Rejects with `RefusalError` NOT_READY, DEADLINE_EXCEEDED. */
  async whenProjected(position: Position, signal: AbortSignal): Promise<void> {
    await this.liveAt(position, signal);
  }

  /**
   * Answers a question once the history goes as far as the question needs.
   * Rejects with `RefusalError` NOT_READY, DEADLINE_EXCEEDED.
   *
   * @param needed the position that the answer hangs on.
   */
  async ask<Name extends QueryName>(
    name: Name,
    asked: Queries[Name]["asked"],
    { needed, signal }: { readonly needed: Position; readonly signal: AbortSignal },
  ): Promise<Queries[Name]["answer"]> {
    const { worker } = await this.liveAt(needed, signal);
    try {
      return await abortable(worker.ask(name, asked), signal, () => deadlineExceeded("the history's answer"));
    } catch (cause) {
      throw cause instanceof WorkerFailedError ? notReady(cause.message, cause) : cause;
    }
  }

  /** Ends the thread and gives the file back. Idempotent. */
  async close(): Promise<void> {
    this.closing.abort(new Error("the history is closing"));
    await this.running;
    this.enter({ kind: "closed" });
  }

  private wake(): void {
    if (this.state.kind !== "dormant" || this.closing.signal.aborted) return;
    this.enter({ kind: "opening", left: Promise.withResolvers() });
    this.running = this.run(this.closing.signal);
  }

  private async liveAt(position: Position, signal: AbortSignal): Promise<Live> {
    const live = await this.live(signal);
    live.pump.want(position);
    try {
      await live.projected.reached(position, signal);
    } catch (cause) {
      if (cause instanceof RefusalError) throw cause;
      throw deadlineExceeded(`the history to reach position ${position}; it is at ${live.projected.current}`, cause);
    }
    return live;
  }

  private async live(signal: AbortSignal): Promise<Live> {
    this.wake();
    if (this.state.kind === "opening")
      await abortable(this.state.left.promise, signal, () => deadlineExceeded("the history to open"));
    const { state } = this;
    if (state.kind === "live") return state.live;
    throw notReady(state.kind === "down" ? state.problem : "it is shutting down");
  }

  private enter(state: State): void {
    const before = this.state;
    this.state = state;
    if (before.kind === "opening") before.left.resolve();
    if (before.kind === "live" && state.kind !== "live")
      before.live.projected.fail(notReady(state.kind === "down" ? state.problem : "it is shutting down"));
  }

  /** One worker after the other, until it is closed. */
  private async run(signal: AbortSignal): Promise<void> {
    const { platform } = this.options;
    const backoff = new Backoff(platform, { minMs: RETRY_MIN_MS, maxMs: RETRY_MAX_MS });
    let discard: string | undefined;
    let damages = 0;
    while (!signal.aborted) {
      const startedMs = platform.monotonicMs();
      const error = await this.runWorker(discard, signal);
      if (signal.aborted) return;
      discard = error instanceof WorkerFailedError && error.isDamaged ? error.message : undefined;
      const problem = errorText(error);
      this.enter({ kind: "down", problem });
      if (discard !== undefined && ++damages > REBUILDS_MAX) {
        platform.log.error("the history is damaged again and again, and is given up until the next start", { problem });
        return;
      }
      platform.log.error("the history failed; the rest goes on, and the history is tried again", { problem });
      // One that lived for long is no reason to wait for long.
      if (platform.monotonicMs() - startedMs >= RETRY_MAX_MS) backoff.reset();
      await backoff.wait(signal).catch(() => {
        // Only the signal ends the wait early, and the loop looks at it.
      });
      if (!signal.aborted) this.enter({ kind: "opening", left: Promise.withResolvers() });
    }
  }

  /** Runs one worker to its end, and gives what it ended for. */
  private async runWorker(discard: string | undefined, closing: AbortSignal): Promise<unknown> {
    const ending = new AbortController();
    const signal = AbortSignal.any([closing, ending.signal]);
    let worker: ProjectionWorker | undefined;
    let live: Live | undefined;
    try {
      worker = new ProjectionWorker({
        file: this.options.file ?? MEMORY,
        discard,
        keepAfterMs: this.options.keepAfterMs ?? KEEP_AFTER_MS,
        onProjected: ({ position }) => {
          live?.projected.advance(position);
          live?.pump.acknowledge();
        },
        onFailed: (error) => ending.abort(error),
      });
      const head = await this.proved(worker, await worker.opened);
      const projected = new PositionWatch(head?.position ?? 0);
      const { journal, platform } = this.options;
      const pump = new Pump({ journal, projected, project: worker.project, platform });
      live = { worker, projected, pump };
      if (signal.aborted) return signal.reason;
      this.enter({ kind: "live", live });
      await Promise.all([this.follow(pump, signal), this.watchLag(projected, signal)]);
      return signal.reason;
    } catch (error) {
      return error;
    } finally {
      ending.abort();
      await worker?.close();
    }
  }

  /** The head of a projection that is a prefix of the journal: of the one that was there, or of one begun anew. */
  private async proved(worker: ProjectionWorker, { head, rebuilt }: Opened): Promise<ProjectionHead | undefined> {
    const { log } = this.options.platform;
    if (rebuilt !== undefined)
      log.error("the history was damaged, or of another program, and is built anew", { problem: rebuilt });
    if (head === undefined) return undefined;
    const { position } = head;
    const { chainHash, epochId } = await this.options.journal.head(position);
    const isPrefix =
      chainHash !== undefined &&
      epochId !== undefined &&
      bytesEqual(chainHash, head.chainHash) &&
      bytesEqual(epochId, head.epochId);
    if (isPrefix) return head;
    log.warn("the history is of another journal and is built anew", { position });
    return (await worker.rebuild(`position ${position} is none of this journal`)).head;
  }

  /** Follows the journal until the signal aborts; where it fails, again after a while. */
  private async follow(pump: Pump, signal: AbortSignal): Promise<void> {
    const { platform } = this.options;
    const backoff = new Backoff(platform, { minMs: RETRY_MIN_MS, maxMs: RETRY_MAX_MS });
    while (!signal.aborted) {
      try {
        await pump.run(signal);
      } catch (error) {
        if (signal.aborted) return;
        // A bank that cannot write yet hands nothing on: what is projected can be read all the same.
        platform.log.warn("the history cannot follow the journal; trying again", { problem: errorText(error) });
      }
      await backoff.wait(signal).catch(() => {
        // Only the signal ends the wait early, and the loop looks at it.
      });
    }
  }

  private async watchLag(projected: PositionWatch, signal: AbortSignal): Promise<void> {
    const { platform, journal, lagWarningRecords = LAG_WARNING_RECORDS } = this.options;
    const watch = new LagWatch(platform.log, lagWarningRecords);
    while (!signal.aborted) {
      watch.look(projected.current, journal.position);
      await platform.delay(LAG_CHECK_MS, signal).catch(() => {
        // Only the signal ends the wait early, and the loop looks at it.
      });
    }
  }
}

function notReady(problem: string, cause?: unknown): RefusalError {
  return new RefusalError("NOT_READY", { problem: `the history cannot be read (${problem})` }, "NOT_APPLIED", {
    cause,
  });
}

function deadlineExceeded(waitingFor: string, cause?: unknown): RefusalError {
  return new RefusalError("DEADLINE_EXCEEDED", { waiting_for: waitingFor }, "NOT_APPLIED", { cause });
}

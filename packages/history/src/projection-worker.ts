import { Worker } from "node:worker_threads";
import { WORKER_HEAP_MIB } from "./limits.ts";
import type { FromWorker, ToWorker, WorkerStart } from "./messages.ts";
import type { Frames, ProjectionHead } from "./projection.ts";
import type { Queries, Query, QueryName } from "./queries.ts";

/** What a projection was found to be. */
export interface Opened {
  /** undefined while nothing is projected. */
  readonly head: ProjectionHead | undefined;
  /** Why what was there was thrown away, if it was. */
  readonly rebuilt: string | undefined;
}

/** The worker cannot go on; another one may. */
export class WorkerFailedError extends Error {
  override readonly name = "WorkerFailedError";
  /** The file has to be built anew. */
  readonly isDamaged: boolean;

  constructor(problem: string, isDamaged: boolean) {
    super(problem);
    this.isDamaged = isDamaged;
  }
}

export interface ProjectionWorkerOptions extends WorkerStart {
  readonly onProjected: (head: ProjectionHead) => void;
  /** Called once if it ends by itself. Everybody who waits for it is told the same error. */
  readonly onFailed: (error: WorkerFailedError) => void;
}

interface Waiter {
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

/** One thread with a projection, as the main thread sees it. */
export class ProjectionWorker {
  private readonly options: ProjectionWorkerOptions;
  private readonly worker: Worker;
  private readonly ended: Promise<void>;
  private readonly answers = new Map<number, Waiter>();
  private opening: PromiseWithResolvers<Opened> = Promise.withResolvers();
  private lastId = 0;
  private failure: WorkerFailedError | undefined;
  private isClosing = false;

  constructor(options: ProjectionWorkerOptions) {
    this.options = options;
    this.ignoreRejection();
    const { file, discard, keepAfterMs } = options;
    this.worker = startWorker({ file, discard, keepAfterMs });
    this.worker.on("message", (message: FromWorker) => this.receive(message));
    this.worker.on("error", (error) => this.fail(error instanceof Error ? error.message : String(error), false));
    this.ended = new Promise((resolve) => {
      this.worker.on("exit", (code) => {
        if (!this.isClosing) this.fail(`its thread ended with ${code}`, false);
        resolve();
      });
    });
  }

  /** Resolves once the projection is open. Rejects with `WorkerFailedError`. */
  get opened(): Promise<Opened> {
    return this.opening.promise;
  }

  /** Throws everything away and begins anew. Rejects with `WorkerFailedError`. */
  rebuild(reason: string): Promise<Opened> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.opening = Promise.withResolvers();
    this.ignoreRejection();
    this.tell({ kind: "rebuild", reason });
    return this.opening.promise;
  }

  /** Hands frames on, whose memory is then the worker's. `onProjected` tells when they are in. */
  readonly project = (frames: Frames): void => {
    // Mostly all frames share one piece of memory.
    const transfer = [...new Set(frames.frames.map((frame) => frame.buffer as ArrayBuffer))];
    this.tell({ kind: "frames", frames }, transfer);
  };

  /** Rejects with `WorkerFailedError`. */
  ask<Name extends QueryName>(name: Name, asked: Queries[Name]["asked"]): Promise<Queries[Name]["answer"]> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      this.answers.set(id, { resolve, reject });
      this.tell({ kind: "query", id, query: { name, asked } as Query });
    });
  }

  /** Lets it finish what it was told, and resolves once the thread has ended and the file is given back. Idempotent. */
  async close(): Promise<void> {
    if (!this.isClosing && this.failure === undefined) this.tell({ kind: "close" });
    this.isClosing = true;
    await this.ended;
    this.rejectAll(new WorkerFailedError("it is shutting down", false));
  }

  private receive(message: FromWorker): void {
    switch (message.kind) {
      case "opened":
        this.opening.resolve({ head: message.head, rebuilt: message.rebuilt });
        return;
      case "projected":
        this.options.onProjected(message.head);
        return;
      case "answer": {
        const waiter = this.answers.get(message.id);
        this.answers.delete(message.id);
        waiter?.resolve(message.answer as never);
        return;
      }
      case "failed":
        this.fail(message.problem, message.isDamaged);
        return;
    }
  }

  private fail(problem: string, isDamaged: boolean): void {
    if (this.failure !== undefined) return;
    this.failure = new WorkerFailedError(problem, isDamaged);
    this.rejectAll(this.failure);
    this.options.onFailed(this.failure);
  }

  private rejectAll(error: WorkerFailedError): void {
    this.failure ??= error;
    this.opening.reject(error);
    for (const { reject } of this.answers.values()) reject(error);
    this.answers.clear();
  }

  /** Whoever waits for the opening sees its failure; it is no failure that nobody does. */
  private ignoreRejection(): void {
    this.opening.promise.catch(() => {
      // `onFailed` has told it.
    });
  }

  private tell(message: ToWorker, transfer: readonly ArrayBuffer[] = []): void {
    this.worker.postMessage(message, transfer);
  }
}

/** Starts the thread: from its source where this file is one, with the packages' sources behind it, else as built. */
function startWorker(start: WorkerStart): Worker {
  const isSource = import.meta.url.endsWith(".ts");
  return new Worker(new URL(isSource ? "./worker.ts" : "./worker.js", import.meta.url), {
    name: "history",
    workerData: start,
    // Not the options of the process: those of a test runner or debugger do not belong here.
    execArgv: isSource ? ["--conditions=bank-src"] : [],
    resourceLimits: { maxOldGenerationSizeMb: WORKER_HEAP_MIB },
  });
}

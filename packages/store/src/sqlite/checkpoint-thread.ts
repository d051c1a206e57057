import { Worker } from "node:worker_threads";
import type { CheckpointReply, CheckpointRequest } from "./checkpoint-messages.ts";

/** What becomes of checkpoints in a thread of their own. */
export interface CheckpointEvents {
  /** One was done; the log has so many pages, copied or not. */
  readonly onDone: (logPages: number) => void;
  /** One failed; the next may not. */
  readonly onFailed: (problem: string) => void;
  /** There will be none any more: the thread ended by itself. */
  readonly onEnded: (problem: string) => void;
}

/**
 * A thread with a connection of its own to a journal's file, in which the log is copied into the file while the journal goes
 * on. It keeps no process alive.
 */
export class CheckpointThread {
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  #isBusy = false;
  /** Whether it was asked for one more while it was about one. */
  #isWanted = false;
  #isStopping = false;

  constructor(path: string, events: CheckpointEvents) {
    this.#worker = startWorker(path);
    let problem = "the thread ended";
    this.#worker.on("message", (reply: CheckpointReply) => {
      this.#isBusy = false;
      if (this.#isStopping) return;
      if (reply.kind === "done") events.onDone(reply.logPages);
      else events.onFailed(reply.problem);
      if (this.#isWanted) this.checkpoint();
    });
    this.#worker.on("error", (error: unknown) => {
      problem = error instanceof Error ? error.message : String(error);
    });
    this.#ended = new Promise((resolve) => {
      this.#worker.once("exit", () => {
        resolve();
        if (!this.#isStopping) events.onEnded(problem);
      });
    });
    this.#worker.unref();
  }

  /** Has it checkpoint what is in the log now, once it is done with the one before. */
  checkpoint(): void {
    if (this.#isStopping) return;
    this.#isWanted = this.#isBusy;
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.#tell("checkpoint");
  }

  /** Resolves once its connection is closed. Nothing is told of any more. Idempotent. */
  async stop(): Promise<void> {
    if (!this.#isStopping) {
      this.#isStopping = true;
      this.#worker.ref();
      this.#tell("close");
    }
    await this.#ended;
  }

  #tell(request: CheckpointRequest): void {
    this.#worker.postMessage(request);
  }
}

/** From its source where this file is one, else as built. */
function startWorker(path: string): Worker {
  const isSource = import.meta.url.endsWith(".ts");
  return new Worker(new URL(isSource ? "./checkpoint-worker.ts" : "./checkpoint-worker.js", import.meta.url), {
    name: "checkpoints",
    workerData: path,
    // Not the options of the process: those of a test runner or debugger do not belong here.
    execArgv: isSource ? ["--conditions=bank-src"] : [],
  });
}

// The thread that owns the projection: the entry point of a worker, started by `ProjectionWorker`.
import { parentPort, workerData } from "node:worker_threads";
import { removeDatabase } from "./database.ts";
import { isDamage } from "./errors.ts";
import { WORKER_NICENESS } from "./limits.ts";
import type { FromWorker, ToWorker, WorkerStart } from "./messages.ts";
import { giveWay } from "./priority.ts";
import { type Frames, Projection } from "./projection.ts";

const { file, discard, keepAfterMs } = workerData as WorkerStart;
let projection: Projection | undefined;
/** Set while something waits to be kept. */
let keeping: NodeJS.Timeout | undefined;

giveWay(WORKER_NICENESS);
parentPort?.on("message", (message: ToWorker) => attempt(() => receive(message)));
attempt(() => (discard === undefined ? open() : openAnew(discard)));

function receive(message: ToWorker): void {
  if (projection === undefined) return;
  switch (message.kind) {
    case "rebuild":
      projection.close();
      openAnew(message.reason);
      return;
    case "frames":
      project(projection, message.frames);
      return;
    case "query":
      tell({ kind: "answer", id: message.id, answer: projection.ask(message.query.name, message.query.asked) });
      return;
    case "close":
      projection.keep();
      end();
      return;
  }
}

/** Projects frames, which can be read from then on, and keeps them when that is worth it, or in a while. */
function project(open: Projection, frames: Frames): void {
  const head = open.project(frames);
  if (keepAfterMs === 0 || open.isWorthKeeping) keep();
  // The thread need not live for that: one that is told to end keeps everything first.
  else keeping ??= setTimeout(() => attempt(keep), keepAfterMs).unref();
  tell({ kind: "projected", head });
}

function keep(): void {
  clearTimeout(keeping);
  keeping = undefined;
  projection?.keep();
}

function open(): void {
  try {
    projection = Projection.open(file);
  } catch (error) {
    if (!isDamage(error)) throw error;
    openAnew(problemOf(error));
    return;
  }
  tell({ kind: "opened", head: projection.head, rebuilt: undefined });
}

function openAnew(reason: string): void {
  projection = undefined;
  clearTimeout(keeping);
  keeping = undefined;
  removeDatabase(file);
  projection = Projection.open(file);
  tell({ kind: "opened", head: projection.head, rebuilt: reason });
}

/** Whatever fails here is told, and ends the thread: what a failed transaction left in memory is of no use. */
function attempt(step: () => void): void {
  try {
    step();
  } catch (error) {
    tell({ kind: "failed", problem: problemOf(error), isDamaged: isDamage(error) });
    end();
  }
}

function end(): void {
  const open = projection;
  projection = undefined;
  // Without a port to listen to, the thread ends.
  parentPort?.close();
  open?.close();
}

function tell(message: FromWorker): void {
  parentPort?.postMessage(message);
}

function problemOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

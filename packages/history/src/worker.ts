// The thread that owns the projection: the entry point of a worker, started by `ProjectionWorker`.
import { parentPort, workerData } from "node:worker_threads";
import { removeDatabase } from "./database.ts";
import { isDamage } from "./errors.ts";
import { KEEP_SLICE_MS, WORKER_NICENESS } from "./limits.ts";
import type { FromWorker, ToWorker, WorkerStart } from "./messages.ts";
import { giveWay } from "./priority.ts";
import { type Frames, Projection } from "./projection.ts";

const { file, discard, keepAfterMs } = workerData as WorkerStart;
let projection: Projection | undefined;
/** Set while something waits to be kept. */
let keeping: NodeJS.Timeout | undefined;
/** Set while it is being kept, a slice in each turn; questions are answered between them. */
let nextSlice: NodeJS.Immediate | undefined;
/** What came meanwhile: no more than are on their way at the same time. */
const waiting: Frames[] = [];

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
      if (nextSlice === undefined) project(projection, message.frames);
      else waiting.push(message.frames);
      return;
    case "query":
      tell({ kind: "answer", id: message.id, answer: projection.ask(message.query.name, message.query.asked) });
      return;
    case "close":
      finish(projection);
      end();
      return;
  }
}

/** Projects frames, which can be read from then on, and keeps them when that is worth it, or in a while. */
function project(open: Projection, frames: Frames): void {
  const head = open.project(frames);
  // Where nothing may wait, nothing is told before it is written.
  if (keepAfterMs === 0) open.keep();
  tell({ kind: "projected", head });
  if (open.isWorthKeeping) keepSlice();
  // The thread need not live for that: one that is told to end keeps everything first.
  else if (keepAfterMs > 0) keeping ??= setTimeout(() => attempt(keepSlice), keepAfterMs).unref();
}

/** Keeps what was projected for a moment, and goes on in the next turn until all is kept; then what came meanwhile is projected. */
function keepSlice(): void {
  stopKeeping();
  if (projection?.keep(KEEP_SLICE_MS) === false) {
    nextSlice = setImmediate(() => attempt(keepSlice));
    return;
  }
  while (projection !== undefined && nextSlice === undefined) {
    const frames = waiting.shift();
    if (frames === undefined) return;
    project(projection, frames);
  }
}

/** Projects and keeps everything that was handed over. */
function finish(open: Projection): void {
  open.keep();
  for (const frames of waiting.splice(0)) open.project(frames);
  open.keep();
}

/** Whether or not anything is kept already: nothing more is, unless somebody says so. */
function stopKeeping(): void {
  clearTimeout(keeping);
  clearImmediate(nextSlice);
  keeping = undefined;
  nextSlice = undefined;
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
  stopKeeping();
  waiting.length = 0;
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
  stopKeeping();
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

import { Worker } from "node:worker_threads";
import type { CheckedPage } from "@bank/journal";
import { CorruptStoreError, ReadAheadError } from "../errors.ts";
import type { PageReading, PageReply, PageRequest } from "./page-messages.ts";

/**
 * The pages of a snapshot, read ahead, hashed and summed up in a thread with a connection of its own, while the main thread
 * builds the state from those that are there. The thread has ended when the iteration has.
 * Throws: `ReadAheadError`, `CorruptStoreError`.
 */
export async function* checkedPages(reading: PageReading): AsyncGenerator<CheckedPage, void, undefined> {
  const worker = startWorker(reading);
  const replies: PageReply[] = [];
  let failure: string | undefined;
  let wake = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    worker.on("message", (message: PageReply) => {
      replies.push(message);
      wake();
    });
    worker.on("error", (error: unknown) => {
      failure = error instanceof Error ? error.message : String(error);
    });
    worker.once("exit", () => {
      failure ??= "it ended";
      resolve();
      wake();
    });
  });
  try {
    for (let left = reading.pageCount; left > 0; ) {
      const reply = replies.shift();
      if (reply === undefined) {
        if (failure !== undefined) throw new ReadAheadError(`the thread that reads a snapshot failed: ${failure}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      if (reply.kind === "corrupt") throw new CorruptStoreError(reply.problem);
      if (reply.kind === "failed")
        throw new ReadAheadError(`the thread that reads a snapshot failed: ${reply.problem}`);
      left -= reply.pages.length;
      yield* reply.pages;
      const used = reply.pages.map(({ page }) => page.buffer as ArrayBuffer);
      worker.postMessage({ kind: "more", used } satisfies PageRequest, used);
    }
  } finally {
    worker.postMessage({ kind: "close" } satisfies PageRequest);
    await ended;
  }
}

/** From its source where this file is one, else as built. Throws: `ReadAheadError`. */
function startWorker(reading: PageReading): Worker {
  const isSource = import.meta.url.endsWith(".ts");
  try {
    return new Worker(new URL(isSource ? "./page-worker.ts" : "./page-worker.js", import.meta.url), {
      name: "snapshot pages",
      workerData: reading,
      // Not the options of the process: those of a test runner or debugger do not belong here.
      execArgv: isSource ? ["--conditions=bank-src"] : [],
    });
  } catch (cause) {
    throw new ReadAheadError("no thread that reads a snapshot can be started", { cause });
  }
}

// The thread that reads the pages of a snapshot ahead of the main thread, hashes them, and works out what its requests are in
// the digest: the entry point of a worker, started by `checkedPages`.
import { hash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import type { CheckedPage } from "@bank/journal";
import { RequestsScratch, termsOfPage } from "@bank/journal/requests-page";
import { CorruptStoreError } from "../errors.ts";
import { disconnect } from "./connection.ts";
import { PAGES_PER_REPLY, type PageReading, type PageReply, type PageRequest, REPLIES_AHEAD } from "./page-messages.ts";
import { SnapshotTable } from "./snapshot-table.ts";

const { path, position, pageCount } = workerData as PageReading;
const scratch = new RequestsScratch();
// The main thread may write meanwhile, which a reader of the write-ahead log does not see, nor wait for.
const database = new DatabaseSync(path, { readOnly: true });
const snapshots = new SnapshotTable(database);
let next = 0;
let room = REPLIES_AHEAD;

parentPort?.on("message", (request: PageRequest) => {
  heed(request);
  fill();
});
fill();

function heed(request: PageRequest): void {
  if (request.kind === "more") {
    room++;
    return;
  }
  next = pageCount;
  disconnect(database);
  parentPort?.close();
}

function fill(): void {
  try {
    while (room > 0 && next < pageCount) {
      // Where the main thread is at the last that was sent, it is about to wait: the quickest is to share the work then.
      const isAwaited = room >= REPLIES_AHEAD - 1;
      const pages: CheckedPage[] = [];
      while (pages.length < PAGES_PER_REPLY && next < pageCount) pages.push(checked(next++, isAwaited));
      room--;
      reply(
        { kind: "pages", pages },
        pages.map(({ page }) => page.buffer as ArrayBuffer),
      );
      hear();
    }
  } catch (error) {
    next = pageCount;
    const problem = error instanceof Error ? error.message : String(error);
    reply({ kind: error instanceof CorruptStoreError ? "corrupt" : "failed", problem }, []);
  }
}

/** What was said while it was at work. */
function hear(): void {
  if (parentPort === null) return;
  for (;;) {
    const heard = receiveMessageOnPort(parentPort) as { readonly message: PageRequest } | undefined;
    if (heard === undefined) return;
    heed(heard.message);
  }
}

function checked(pageNumber: number, isAwaited: boolean): CheckedPage {
  const page = snapshots.page(position, pageNumber);
  if (page === undefined)
    throw new CorruptStoreError(`the snapshot at ${position} has ${pageNumber} of its ${pageCount} pages`);
  const own = page.byteLength === page.buffer.byteLength ? page : page.slice();
  const terms = isAwaited ? undefined : termsOfPage(own, scratch);
  return { page: own, hash: new Uint8Array(hash("sha256", own, "buffer")), terms };
}

/** The bytes of the pages are handed over, not copied. */
function reply(message: PageReply, buffers: ArrayBuffer[]): void {
  parentPort?.postMessage(message, buffers);
}

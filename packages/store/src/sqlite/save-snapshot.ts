import { setImmediate as turn } from "node:timers/promises";
import { requireHash, requireSnapshotHeader } from "../arguments.ts";
import { copyBytes } from "../bytes.ts";
import { StoreError } from "../errors.ts";
import { PendingPages } from "../pending-pages.ts";
import type { SnapshotSource, StoreHead } from "../port.ts";
import type { JournalFile } from "./journal-file.ts";
import type { ListedPage, Sweep } from "./shared-pages-table.ts";

/** Does one write to the file, unless the file is not the store's any more or takes no writes. */
export type Step = <T>(write: () => T) => T;

/** Pages are written together up to so much: each step waits for the disk once, and takes a few milliseconds. */
const STEP_BYTES = 512 * 1024;

/** Of what is done where nobody waits for it. */
const TURN_MS = 4;

/**
 * Saves a snapshot in steps of a few pages, each a transaction of its own, so that nobody waits for more than one of them. With
 * the last of them the journal goes on from it, where `seed` names its position and the chain hash there.
 * Rejects with: what a step throws; what the source throws.
 */
export async function saveInSteps(
  file: JournalFile,
  { position, pages, header }: SnapshotSource,
  step: Step,
  seed?: StoreHead,
): Promise<void> {
  if (file.savingSnapshot !== undefined)
    throw new StoreError(`the snapshot at ${file.savingSnapshot} is being saved: save another one after it`);
  file.savingSnapshot = position;
  try {
    step(() => file.dropSnapshot(position));
    // What an earlier one left when it was interrupted. Its room is taken again by this one.
    await dropRemains(file, step);
    let pageCount = 0;
    const shared: ListedPage[] = [];
    const pending = new PendingPages();
    try {
      for await (const page of pages) {
        if (page instanceof Uint8Array) {
          pending.add({ pageNumber: pageCount, page: copyBytes(page) });
        } else {
          requireHash(page.hash);
          const lacking = step(() => file.lackingPage(page));
          if (lacking !== undefined) pending.addShared(lacking);
          shared.push({ pageNumber: pageCount, hash: copyBytes(page.hash) });
        }
        pageCount++;
        if (pending.bytes >= STEP_BYTES) step(() => file.saveSnapshotPages(position, pending.take()));
      }
      if (pending.bytes > 0) step(() => file.saveSnapshotPages(position, pending.take()));
      const last = header();
      requireSnapshotHeader(last, position);
      const snapshot = { position, header: last, pageCount, shared };
      step(() => (seed === undefined ? file.completeSnapshot(snapshot) : file.completeSeed(snapshot, seed)));
    } catch (error) {
      await dropNowOrLater(file, step).catch(() => {
        // The first error says what there is to say.
      });
      throw error;
    }
    await dropNowOrLater(file, step);
  } finally {
    file.savingSnapshot = undefined;
  }
}

async function dropRemains(file: JournalFile, step: Step): Promise<void> {
  await inTurns(() => step(() => file.dropSnapshotRemains()) === "dropped");
}

async function dropNowOrLater(file: JournalFile, step: Step): Promise<void> {
  try {
    await dropRemains(file, step);
    let sweep: Sweep | undefined;
    await inTurns(() => {
      sweep = step(() => file.dropUnsharedPages(sweep));
      return sweep !== undefined;
    });
  } catch (error) {
    // Nothing of this changes what was said of the snapshot: the next one drops it, and whoever writes meets the trouble.
    if (!(error instanceof StoreError)) throw error;
  }
}

/** Does it again until it gives false, and lets others have a turn every few milliseconds. */
async function inTurns(act: () => boolean): Promise<void> {
  let sinceMs = performance.now();
  while (act()) {
    if (performance.now() - sinceMs < TURN_MS) continue;
    await turn();
    sinceMs = performance.now();
  }
}

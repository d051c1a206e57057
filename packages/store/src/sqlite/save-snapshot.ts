import { setImmediate as turn } from "node:timers/promises";
import { requireHash, requireSnapshotHeader } from "../arguments.ts";
import { copyBytes } from "../bytes.ts";
import { StoreError } from "../errors.ts";
import type { SnapshotSource, StoreHead } from "../port.ts";
import type { JournalFile } from "./journal-file.ts";
import type { ListedPage } from "./shared-pages-table.ts";

/** Does one write to the file, unless the file is not the store's any more or takes no writes. */
export type Step = <T>(write: () => T) => T;

/**
 * Saves a snapshot in steps of a page, each a transaction of its own, so that nobody waits for more than one of them. With
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
    try {
      for await (const page of pages) {
        if (page instanceof Uint8Array) step(() => file.saveSnapshotPage(position, pageCount, page));
        else {
          requireHash(page.hash);
          step(() => file.shareSnapshotPage(page));
          shared.push({ pageNumber: pageCount, hash: copyBytes(page.hash) });
        }
        pageCount++;
      }
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
  while (step(() => file.dropSnapshotRemains()) === "dropped") await turn();
}

async function dropNowOrLater(file: JournalFile, step: Step): Promise<void> {
  try {
    await dropRemains(file, step);
    let sweep = step(() => file.dropUnsharedPages());
    while (sweep !== undefined) {
      await turn();
      sweep = step(() => file.dropUnsharedPages(sweep));
    }
  } catch (error) {
    // Nothing of this changes what was said of the snapshot: the next one drops it, and whoever writes meets the trouble.
    if (!(error instanceof StoreError)) throw error;
  }
}

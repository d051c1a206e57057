import { requireHash, requireSnapshotHeader } from "../arguments.ts";
import { copyBytes, equalBytes } from "../bytes.ts";
import { StoreError } from "../errors.ts";
import { PendingPages } from "../pending-pages.ts";
import type { SharedPage, SnapshotSource } from "../port.ts";
import type { Connection } from "./connection.ts";
import { keyOf, type ListedPage } from "./shared-list.ts";
import type { CompleteSnapshot, SnapshotRows } from "./snapshot-rows.ts";

/** Pages are written together up to so much: each step is a transaction, and takes some milliseconds. */
const STEP_BYTES = 512 * 1024;
/** Looked through at once for pages that are in no snapshot. */
const PAGES_SWEPT_AT_ONCE = 512;
const PAGES_DROPPED_AT_ONCE = 16;

/** What saving a snapshot needs of the store that it goes to. */
export interface SnapshotTarget {
  readonly rows: SnapshotRows;
  /** Does one write under the lease, as a transaction, unless the store was opened anew or takes no writes. */
  step<T>(write: (connection: Connection) => Promise<T>): Promise<T>;
  /** Looks something up, under the same condition. */
  look<T>(read: (connection: Connection) => Promise<T>): Promise<T>;
  /** The last step. */
  complete(snapshot: CompleteSnapshot): Promise<void>;
}

/**
 * Saves a snapshot in steps of a few pages, each a transaction of its own.
 * Rejects with: what a step rejects with; what the source throws.
 */
export async function saveInSteps(target: SnapshotTarget, { position, pages, header }: SnapshotSource): Promise<void> {
  const { rows } = target;
  const present = await target.look((connection) => rows.positions(connection));
  if (present.includes(position)) await target.step((connection) => rows.drop(connection, position));
  // What an earlier one left when it was interrupted.
  await dropRemains(target);
  const listed = new Set((await target.look((connection) => rows.listed(connection))).map(({ hash }) => keyOf(hash)));
  let pageCount = 0;
  const shared: ListedPage[] = [];
  const pending = new PendingPages();
  const writePending = async () => {
    const taken = pending.take();
    await target.step(async (connection) => {
      if (taken.pages.length > 0) await rows.savePages(connection, position, taken.pages);
      for (const page of taken.shared) await rows.saveShared(connection, page);
    });
  };
  try {
    for await (const page of pages) {
      if (page instanceof Uint8Array) {
        pending.add({ pageNumber: pageCount, page: copyBytes(page) });
      } else {
        requireHash(page.hash);
        if (!(await target.look((connection) => isThere(rows, connection, page, listed))))
          pending.addShared({ hash: copyBytes(page.hash), page: copyBytes(page.bytes()) });
        shared.push({ pageNumber: pageCount, hash: copyBytes(page.hash) });
      }
      pageCount++;
      if (pending.bytes >= STEP_BYTES) await writePending();
    }
    if (pending.bytes > 0) await writePending();
    const last = header();
    requireSnapshotHeader(last, position);
    await target.complete({ position, header: copyBytes(last), pageCount, shared });
  } catch (error) {
    await dropNowOrLater(target).catch(() => {
      // The first error says what there is to say.
    });
    throw error;
  }
  await dropNowOrLater(target);
}

/** Whether the page is there, and is what it should be as far as anybody cannot know. */
async function isThere(
  rows: SnapshotRows,
  connection: Connection,
  page: SharedPage,
  listed: ReadonlySet<string>,
): Promise<boolean> {
  if (page.isProven) return listed.has(keyOf(page.hash)) || rows.hasShared(connection, page.hash);
  const stored = await rows.sharedPage(connection, page.hash);
  return stored !== undefined && equalBytes(stored, page.bytes());
}

/** Looks first: a step is a commit, also where there is nothing to drop. */
async function dropRemains({ rows, step, look }: SnapshotTarget): Promise<void> {
  while (await look((connection) => rows.hasRemains(connection)))
    await step((connection) => rows.dropRemains(connection));
}

async function dropNowOrLater(target: SnapshotTarget): Promise<void> {
  try {
    await dropRemains(target);
    await dropUnshared(target);
  } catch (error) {
    // Nothing of this changes what was said of the snapshot: the next one drops it, and whoever writes meets the trouble.
    if (!(error instanceof StoreError)) throw error;
  }
}

/** Drops the shared pages that no snapshot has. */
async function dropUnshared({ rows, step, look }: SnapshotTarget): Promise<void> {
  const listed = new Set((await look((connection) => rows.listed(connection))).map(({ hash }) => keyOf(hash)));
  let after: Uint8Array = new Uint8Array(0);
  for (;;) {
    const found = await look((connection) => rows.sharedBehind(connection, after, PAGES_SWEPT_AT_ONCE));
    const unshared = found.filter((hash) => !listed.has(keyOf(hash)));
    for (let i = 0; i < unshared.length; i += PAGES_DROPPED_AT_ONCE) {
      const some = unshared.slice(i, i + PAGES_DROPPED_AT_ONCE);
      await step((connection) => rows.dropShared(connection, some));
    }
    after = found.at(-1) ?? after;
    if (found.length < PAGES_SWEPT_AT_ONCE) return;
  }
}

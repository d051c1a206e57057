import { requireHash, requireSnapshotHeader } from "../arguments.ts";
import { copyBytes } from "../bytes.ts";
import { StoreError } from "../errors.ts";
import type { SnapshotSource } from "../port.ts";
import { hex } from "./meta.ts";
import type { CompleteSnapshot, ListedPage } from "./snapshot-hashes.ts";
import type { Tenure } from "./tenure.ts";

/** Pages are sent together up to so much: the server does nothing else while it takes them. */
const STEP_BYTES = 512 * 1024;
/** A command takes no more than some thousand arguments from a function. */
const STEP_PAGES = 500;

/** Gives the tenure that writes; throws where it is another than at the beginning, or none. */
export type RequireTenure = () => Tenure;

/**
 * Saves a snapshot in steps of a few pages, so that nobody waits for more than one of them.
 * Rejects with: what a step rejects with; what the source throws.
 *
 * @param complete the last step, which makes it a snapshot.
 */
export async function saveInSteps(
  requireTenure: RequireTenure,
  { position, pages, header }: SnapshotSource,
  complete: (snapshot: CompleteSnapshot) => Promise<void>,
): Promise<void> {
  const tenure = requireTenure();
  const { snapshots } = tenure;
  if (tenure.savingSnapshot !== undefined)
    throw new StoreError(`the snapshot at ${tenure.savingSnapshot} is being saved: save another one after it`);
  tenure.savingSnapshot = position;
  try {
    await tenure.beginToWrite();
    await snapshots.begin(position);
    try {
      const saved = await savePages(requireTenure, position, pages);
      requireTenure();
      const last = header();
      requireSnapshotHeader(last, position);
      await complete({ position, header: copyBytes(last), ...saved });
    } catch (error) {
      await sweep(requireTenure);
      throw error;
    }
    await sweep(requireTenure);
  } finally {
    tenure.savingSnapshot = undefined;
  }
}

async function savePages(
  requireTenure: RequireTenure,
  position: number,
  pages: SnapshotSource["pages"],
): Promise<Pick<CompleteSnapshot, "pageCount" | "shared">> {
  let pageCount = 0;
  const listed: ListedPage[] = [];
  let own: (string | Uint8Array)[] = [];
  let shared: (string | Uint8Array)[] = [];
  let bytes = 0;
  const flush = async () => {
    const { snapshots } = requireTenure();
    if (own.length + shared.length > 0) await snapshots.savePages(position, own, shared);
    own = [];
    shared = [];
    bytes = 0;
  };
  for await (const page of pages) {
    const { snapshots } = requireTenure();
    if (page instanceof Uint8Array) {
      own.push(String(pageCount), copyBytes(page));
      // So that empty pages are written too.
      bytes += page.length + 1;
    } else {
      requireHash(page.hash);
      if (!(await snapshots.has(page))) {
        requireTenure();
        const copy = copyBytes(page.bytes());
        shared.push(hex(page.hash), copy);
        bytes += copy.length + 1;
      }
      listed.push({ pageNumber: pageCount, hash: copyBytes(page.hash) });
    }
    pageCount++;
    if (bytes >= STEP_BYTES || own.length + shared.length >= 2 * STEP_PAGES) await flush();
  }
  await flush();
  return { pageCount, shared: listed };
}

/** What this does not get done the next one does: it changes nothing of what was said of the snapshot. */
async function sweep(requireTenure: RequireTenure): Promise<void> {
  try {
    await requireTenure().snapshots.sweep();
  } catch {
    // Whoever writes next meets the trouble.
  }
}

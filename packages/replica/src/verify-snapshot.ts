import { bytesEqual, type Position } from "@bank/core";
import { beginSnapshot, type Replay, SnapshotLoader } from "@bank/journal";
import type { JournalStore } from "@bank/store";
import { CorruptStoreError, StoreError } from "@bank/store/errors";
import { errorText, type Platform } from "./platform.ts";
import { hashSeed } from "./recover.ts";
import type { Turns } from "./turns.ts";

export interface CheckOptions {
  readonly platform: Platform;
  readonly turns: Turns;
}

/** What a look at a state that the journal leads to has shown. */
export interface CheckedState {
  /** 32 bytes: the root of the state. */
  readonly root: Uint8Array;
  /** Pages of the snapshot that such a state has. */
  readonly pages: number;
  /** What is wrong with the stored snapshot; undefined for nothing, or where none was to be compared. */
  readonly problem: string | undefined;
}

/**
 * Works out the root of the state that a replay has come to, and compares the stored snapshot of this position with it where
 * there is one: page by page with the page that this state has, and by itself, as a start would load it.
 */
export async function checkState(
  store: JournalStore,
  replay: Replay,
  { compare }: { readonly compare: boolean },
  { platform, turns }: CheckOptions,
): Promise<CheckedState> {
  const expected = beginSnapshot(replay, platform.sha256);
  const { position, pages } = expected;
  const stored = compare ? new StoredSnapshotCheck(store, position, replay.bankId, platform) : undefined;
  await stored?.begin();
  let count = 0;
  // To its end in any case: the state is held for it until then.
  for (const page of pages) {
    await turns.breathe();
    if (page === undefined) continue;
    await stored?.page(count, () => (page instanceof Uint8Array ? page : page.bytes()));
    count++;
  }
  const { header, root } = expected.seal();
  // They are of this state, which only grows: the next root needs them again, not made anew.
  expected.stored();
  await stored?.end(header, count);
  return { root, pages: count, problem: stored?.problem };
}

/** Loads a snapshot that the replay does not lead to, which proves nothing but itself. Gives what is wrong with it. */
export async function checkAlone(
  store: JournalStore,
  position: Position,
  bankId: Uint8Array,
  { platform, turns }: CheckOptions,
): Promise<{ readonly pages: number; readonly replay?: Replay; readonly problem: string | undefined }> {
  let pages = 0;
  try {
    const loader = newLoader(await headerOf(store, position), bankId, platform);
    if (loader.position !== position) throw new CorruptStoreError(`it is of position ${loader.position}`);
    for (; pages < loader.pageCount; pages++) {
      const page = await store.snapshotPage(position, pages);
      if (page === undefined) throw new CorruptStoreError(`page ${pages + 1} of ${loader.pageCount} is missing`);
      loader.add(page);
      await turns.breathe();
    }
    return { pages, replay: loader.finish("own store"), problem: undefined };
  } catch (error) {
    return { pages, problem: problemOf(error) };
  }
}

/** Follows the pages of the state, with the first problem that it finds. */
class StoredSnapshotCheck {
  problem: string | undefined;
  private readonly store: JournalStore;
  private readonly position: Position;
  private readonly bankId: Uint8Array;
  private readonly platform: Platform;
  private header: Uint8Array | undefined;
  private loader: SnapshotLoader | undefined;

  constructor(store: JournalStore, position: Position, bankId: Uint8Array, platform: Platform) {
    this.store = store;
    this.position = position;
    this.bankId = bankId;
    this.platform = platform;
  }

  begin(): Promise<void> {
    return this.finding(async () => {
      this.header = await headerOf(this.store, this.position);
      this.loader = newLoader(this.header, this.bankId, this.platform);
    });
  }

  page(number: number, expected: () => Uint8Array): Promise<void> {
    return this.finding(async () => {
      const { loader } = this;
      const which = `page ${number + 1} of ${loader?.pageCount}`;
      const page = await this.store.snapshotPage(this.position, number);
      if (page === undefined) throw new CorruptStoreError(`${which} is missing`);
      if (!bytesEqual(page, expected())) throw new CorruptStoreError(`${which} is not of the state here`);
      loader?.add(page);
    });
  }

  end(header: Uint8Array, pages: number): Promise<void> {
    return this.finding(async () => {
      if (this.loader?.pageCount !== pages)
        throw new CorruptStoreError(`it has ${this.loader?.pageCount} pages, and the state here has ${pages}`);
      if (!bytesEqual(this.header ?? header.subarray(0, 0), header))
        throw new CorruptStoreError(
          "its header names another epoch, chain hash, digest or root than the journal leads to",
        );
      this.loader.finish("elsewhere");
    });
  }

  private async finding(look: () => Promise<void>): Promise<void> {
    if (this.problem !== undefined) return;
    try {
      await look();
    } catch (error) {
      this.problem = problemOf(error);
      this.loader = undefined;
    }
  }
}

async function headerOf(store: JournalStore, position: Position): Promise<Uint8Array> {
  const header = await store.snapshotHeader(position);
  if (header === undefined) throw new CorruptStoreError("its header is missing");
  return header;
}

function newLoader(header: Uint8Array, bankId: Uint8Array, platform: Platform): SnapshotLoader {
  return new SnapshotLoader(header, { bankId, sha256: platform.sha256, hashSeed: hashSeed(platform) });
}

/** Throws what says nothing of the snapshot: that the store cannot be reached, above all. */
function problemOf(error: unknown): string {
  if (error instanceof StoreError && !(error instanceof CorruptStoreError)) throw error;
  return errorText(error);
}

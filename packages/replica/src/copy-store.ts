import { bytesEqual, nextLine, type Position } from "@bank/core";
import { beginSnapshot, type Replay } from "@bank/journal";
import type { JournalStore, SnapshotSource, StoredBatch, StoreHead, StoreState } from "@bank/store";
import { CorruptStoreError, StoreError } from "@bank/store/errors";
import { rowsOfLedger } from "./account-rows.ts";
import { errorText, type Platform } from "./platform.ts";
import { emptyReplay } from "./recover.ts";
import { Turns } from "./turns.ts";
import { type Verified, verifyStore } from "./verify-store.ts";
import { applyStored, walkJournal } from "./walk-journal.ts";

/** A store that was opened, and what opening it has found. */
export interface CopyEnd {
  readonly store: JournalStore;
  readonly state: StoreState;
}

/** What a copy came to. */
export interface Copied {
  /** Where the target's journal ended before; 0 for an empty one. */
  readonly from: Position;
  /** The end of both journals. */
  readonly head: StoreHead;
  /** 16 bytes: of the state that the source's journal leads to, and of that which the target's leads to. */
  readonly digest: Uint8Array;
  /** What was read back from the target. */
  readonly verified: Verified;
  /** The source is fenced to this epoch, so that no bank starts from it; undefined where it stays usable. */
  readonly supersededBy: number | undefined;
}

/**
 * Copies a bank from one store to another, of whatever engine: the same batches, byte for byte, so the same chain and the
 * same ids, and snapshots that are made of them on the way. The source is replayed with every check, and nothing is taken from
 * it that does not prove right; afterwards the target is opened anew, read back from its beginning and compared.
 *
 * Idempotent: a target that has the first part of this very journal is gone on with; whatever else is there is refused.
 * Only when all is done the source is superseded, unless it is to stay usable: two banks with one journal would both begin
 * the same epochs.
 * Rejects with: `StoreError` for a target that is neither empty nor such a part, and for a source with a gap or no bank;
 * `CorruptStoreError` where the source is damaged, or the target does not give back what it was given; what stores reject with.
 */
export async function copyStore(
  source: CopyEnd,
  target: CopyEnd,
  { keepSourceUsable, platform }: { readonly keepSourceUsable: boolean; readonly platform: Platform },
): Promise<Copied> {
  const { bankId, head, gap } = source.state;
  if (bankId === undefined || head === undefined) throw new StoreError("there is no bank in the source");
  if (gap !== undefined)
    throw new StoreError(
      `the source lacks what lies before position ${gap.upTo.position + 1}: let its branch run until it has fetched that`,
    );
  const from = await requireBeginning(source.store, target.state, { bankId, head });
  await target.store.initialize(bankId);
  const copied = await new StoreCopier(source, target, from, platform).run(
    emptyReplay(bankId, platform),
    head.position,
  );
  if (!bytesEqual(copied.chainHash, head.chainHash))
    throw new CorruptStoreError("the source names another chain hash at its end than its batches have");
  const verified = await readBack(target.store, copied, platform);
  source.store.lease?.lost.throwIfAborted();
  const supersededBy = keepSourceUsable ? undefined : supersedingEpoch(copied.epoch);
  if (supersededBy !== undefined) await source.store.fence(Math.max(supersededBy, source.state.epoch));
  return { from, head, digest: copied.digest, verified, supersededBy };
}

/** Where the source's journal has led to. Its state is not kept for the reading back. */
interface LedTo extends StoreHead {
  readonly digest: Uint8Array;
  readonly epoch: number;
}

/**
 * The epoch to which the store of a bank is fenced that lives elsewhere by now. No start begins one so high, nor does whoever
 * gives up what was lost, which is the first of the next line; `resume` does, by an operator's word.
 */
export function supersedingEpoch(newest: number): number {
  return nextLine(newest) + 1;
}

/**
 * Whether no bank starts from a store any more: it is fenced beyond the epoch that the next start would begin.
 *
 * @param fenced the epoch that the store is fenced to.
 * @param newest the newest epoch in its journal.
 */
export function isSuperseded(fenced: number, newest: number): boolean {
  return fenced > newest + 1;
}

/** Gives where the target's journal ends. */
async function requireBeginning(
  source: JournalStore,
  target: StoreState,
  { bankId, head }: { readonly bankId: Uint8Array; readonly head: StoreHead },
): Promise<Position> {
  if (target.bankId !== undefined && !bytesEqual(target.bankId, bankId))
    throw new StoreError("another bank lives in the target: a copy needs an empty store");
  if (target.gap !== undefined) throw new StoreError("the target is a branch's journal, which lacks its beginning");
  if (target.head === undefined) return 0;
  const { position, chainHash } = target.head;
  if (position > head.position)
    throw new StoreError(
      `the target goes to position ${position}, and the source ends at ${head.position}: it has gone on from there, and is no copy of this`,
    );
  const here = await source.chainHashAt(position);
  if (here === undefined || !bytesEqual(here, chainHash))
    throw new StoreError(
      `the target has another history up to position ${position} than the source: it is no copy of this`,
    );
  return position;
}

class StoreCopier {
  private readonly source: CopyEnd;
  private readonly target: CopyEnd;
  private readonly from: Position;
  private readonly platform: Platform;
  private readonly turns: Turns;
  private waiting: StoredBatch[] = [];

  constructor(source: CopyEnd, target: CopyEnd, from: Position, platform: Platform) {
    this.source = source;
    this.target = target;
    this.from = from;
    this.platform = platform;
    this.turns = new Turns(platform);
  }

  async run(replay: Replay, end: Position): Promise<LedTo> {
    const { source, target, platform } = this;
    const { ledger } = replay;
    // New branches begin from one of which the journal names the root, and the bank starts from that of the end.
    const wanted = new Set([...(await source.store.snapshotPositions()), end]);
    const stored = new Set(await target.store.snapshotPositions());
    for await (const batches of walkJournal(source.store, 0, end)) {
      for (const batch of batches) {
        const { position } = ledger;
        try {
          applyStored(replay, batch, platform.sha256);
        } catch (cause) {
          throw new CorruptStoreError(`the source is damaged at position ${position + 1}: ${errorText(cause)}`, {
            cause,
          });
        }
        if (batch.firstPosition > this.from) this.waiting.push(batch);
        if (wanted.has(ledger.position) && !stored.has(ledger.position)) {
          await this.append(ledger.currentEpoch()?.number ?? 0);
          await this.saveSnapshot(replay);
        }
        await this.turns.breathe();
      }
      await this.append(ledger.currentEpoch()?.number ?? 0);
      source.store.lease?.lost.throwIfAborted();
    }
    const epoch = ledger.currentEpoch()?.number ?? 0;
    if (isSuperseded(target.state.epoch, epoch))
      throw new StoreError(
        `the target is fenced to epoch ${target.state.epoch}: a bank that was copied from it lives elsewhere`,
      );
    if (target.state.epoch < epoch) await target.store.fence(epoch);
    await target.store.replaceAccounts?.(end, rowsOfLedger(ledger));
    return { position: ledger.position, chainHash: replay.chainHash, digest: ledger.digestBytes(), epoch };
  }

  private async append(epoch: number): Promise<void> {
    const batches = this.waiting;
    this.waiting = [];
    if (batches.length > 0)
      await this.target.store.append(batches, { epoch: Math.max(epoch, this.target.state.epoch) });
  }

  private async saveSnapshot(replay: Replay): Promise<void> {
    const { turns, platform, target } = this;
    const { position, pages, seal, stored } = beginSnapshot(replay, platform.sha256);
    const source: SnapshotSource = {
      position,
      pages: (async function* () {
        for (const page of pages) {
          if (page !== undefined) yield page;
          await turns.breathe();
        }
      })(),
      header: () => seal().header,
    };
    await target.store.saveSnapshot(source);
    stored();
  }
}

/** What a new process would find in the target: all of it is replayed and compared. */
async function readBack(target: JournalStore, copied: LedTo, platform: Platform): Promise<Verified> {
  const verified = await verifyStore(target, await target.recover(), platform);
  const { head, digest, damages } = verified;
  const [damage] = damages;
  if (damage !== undefined)
    throw new CorruptStoreError(
      `the target does not hold what was copied: ${damage.what} at position ${damage.position}: ${damage.problem}`,
    );
  const isSame =
    head?.position === copied.position &&
    bytesEqual(head.chainHash, copied.chainHash) &&
    bytesEqual(digest, copied.digest);
  if (!isSame)
    throw new CorruptStoreError(`the target leads to another state than the source, at position ${head?.position}`);
  return verified;
}

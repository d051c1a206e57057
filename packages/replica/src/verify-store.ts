import { bytesEqual, type LedgerRecord, type Position, RecordKind, type RecordList, toHex } from "@bank/core";
import { FrameReader, type Replay } from "@bank/journal";
import type { JournalStore, StoreGap, StoreHead, StoreState } from "@bank/store";
import { CorruptStoreError, StoreError } from "@bank/store/errors";
import { errorText, type Platform } from "./platform.ts";
import { emptyReplay } from "./recover.ts";
import { Turns } from "./turns.ts";
import { checkRows } from "./verify-rows.ts";
import { checkAlone, checkState } from "./verify-snapshot.ts";
import { applyStored, walkJournal } from "./walk-journal.ts";

/** Something that is not as it should be. */
export interface Damage {
  /**
   * "journal": a batch. "root": the journal names another root of a state than it leads to. "snapshot": one that a start
   * passes over. "account rows": a view, which is written anew at will.
   */
  readonly what: "journal" | "root" | "snapshot" | "account rows";
  /** First position of the batch, or the position of the state; undefined where it is not known. */
  readonly position: Position | undefined;
  readonly problem: string;
}

/** A snapshot that was looked at. */
export interface VerifiedSnapshot {
  readonly position: Position;
  readonly pages: number;
  /** Whether it was compared with what the journal leads to; else it proves only itself. */
  readonly compared: boolean;
}

/** What was checked, and what was found. */
export interface Verified {
  /** Where the replay ended: all counts are of the journal up to here. */
  readonly head: StoreHead | undefined;
  /** 16 bytes: of the state there, worked out of the records. */
  readonly digest: Uint8Array;
  readonly epoch: number;
  readonly records: number;
  readonly batches: number;
  readonly transactions: number;
  /** Of customers. */
  readonly accounts: number;
  /** Those that are all right. */
  readonly snapshots: readonly VerifiedSnapshot[];
  /** Roots of states that the journal names, and that are those of the replay. */
  readonly roots: number;
  /** Rows of accounts that were compared; undefined where the engine has none, or the journal's end was not reached. */
  readonly accountRows: number | undefined;
  readonly gap: StoreGap | undefined;
  readonly damages: readonly Damage[];
  readonly elapsedMs: number;
}

/**
 * Checks an open store from its first record to its end, and changes nothing: each batch as a start would, without its
 * snapshots; each snapshot, by itself and against what the journal leads to; each root that the journal names; the rows of
 * accounts. Behind damage of the journal nothing can be proven, and what lies there is only loaded.
 *
 * In memory are the state and, while one is loaded, that of a snapshot, however long the journal is.
 * Rejects with: `StoreError` where the store cannot be read for other reasons than damage, or is lost to another server.
 *
 * @param state what opening has found; of a bank.
 */
export async function verifyStore(store: JournalStore, state: StoreState, platform: Platform): Promise<Verified> {
  const { bankId } = state;
  if (bankId === undefined) throw new StoreError("no bank lives in this store");
  return new StoreVerifier(store, { ...state, bankId }, platform).run();
}

class StoreVerifier {
  private readonly store: JournalStore;
  private readonly state: StoreState & { readonly bankId: Uint8Array };
  private readonly platform: Platform;
  private readonly turns: Turns;
  private readonly damages: Damage[] = [];
  private readonly snapshots: VerifiedSnapshot[] = [];
  private readonly counts = { records: 0, batches: 0, transactions: 0, roots: 0 };
  private replay: Replay;
  /** As of the last batch that is right: one that is not may leave its traces in the ledger. */
  private proven: Proven;
  /** Roots that the journal names, by position. */
  private named = new Map<Position, Uint8Array>();
  /** Positions of snapshots that were not looked at yet. */
  private unseen = new Set<Position>();

  constructor(store: JournalStore, state: StoreVerifier["state"], platform: Platform) {
    this.store = store;
    this.state = state;
    this.platform = platform;
    this.turns = new Turns(platform);
    this.replay = emptyReplay(state.bankId, platform);
    this.proven = provenBy(this.replay);
  }

  async run(): Promise<Verified> {
    const { store, state, platform } = this;
    const startedMs = platform.monotonicMs();
    const end = state.head?.position ?? 0;
    this.unseen = new Set(await store.snapshotPositions());
    const isWhole = (await this.walkParts(end)) && this.endsRight();
    await this.lookAtOthers();
    const rows = isWhole ? await this.rows() : undefined;
    store.lease?.lost.throwIfAborted();
    return {
      ...this.proven,
      ...this.counts,
      snapshots: this.snapshots.sort((a, b) => a.position - b.position),
      accountRows: rows,
      gap: state.gap,
      damages: this.damages,
      elapsedMs: platform.monotonicMs() - startedMs,
    };
  }

  /** The journal from its beginning, and once more from where it went on behind a gap. Gives whether all of it is right. */
  private async walkParts(end: Position): Promise<boolean> {
    const { gap } = this.state;
    if (gap === undefined) return this.walk(0, end);
    const isBegun = await this.walk(0, gap.after);
    const { position, chainHash } = gap.upTo;
    this.unseen.delete(position);
    const options = { platform: this.platform, turns: this.turns };
    const { pages, replay, problem } = await checkAlone(this.store, position, this.state.bankId, options);
    if (replay === undefined || !bytesEqual(replay.chainHash, chainHash)) {
      this.damages.push({ what: "snapshot", position, problem: problem ?? "it is not what the journal went on from" });
      return false;
    }
    this.snapshots.push({ position, pages, compared: false });
    this.replay = replay;
    this.proven = provenBy(replay);
    return (await this.walk(position, end)) && isBegun;
  }

  private async walk(after: Position, end: Position): Promise<boolean> {
    this.named = await namedRoots(this.store, after, end);
    try {
      for await (const batches of walkJournal(this.store, after, end)) {
        for (const stored of batches) {
          const { position } = this.replay.ledger;
          try {
            const { records } = applyStored(this.replay, stored, this.platform.sha256);
            this.count(records);
            this.proven = provenBy(this.replay);
          } catch (error) {
            return this.journalDamaged(position + 1, error);
          }
          await this.lookAtState();
          await this.turns.breathe();
        }
        this.store.lease?.lost.throwIfAborted();
      }
      return true;
    } catch (error) {
      if (!(error instanceof CorruptStoreError)) throw error;
      return this.journalDamaged((this.proven.head?.position ?? 0) + 1, error);
    }
  }

  private count(records: RecordList): void {
    this.counts.batches++;
    this.counts.records += records.length;
    this.counts.transactions += records.length - records.others.size;
    for (const record of records.others.values()) if (movesMoney(record)) this.counts.transactions++;
  }

  /** Where the journal names the root of the state that it has come to, or there is a snapshot of it. */
  private async lookAtState(): Promise<void> {
    const { store, replay, platform, turns } = this;
    const { position } = replay.ledger;
    const compare = this.unseen.delete(position);
    const named = this.named.get(position);
    if (!compare && named === undefined) return;
    const { root, pages, problem } = await checkState(store, replay, { compare }, { platform, turns });
    if (problem !== undefined) this.damages.push({ what: "snapshot", position, problem });
    else if (compare) this.snapshots.push({ position, pages, compared: true });
    if (named === undefined) return;
    if (bytesEqual(named, root)) this.counts.roots++;
    else {
      const told = `the journal says that the state has root ${toHex(named)}, and it has ${toHex(root)}`;
      this.damages.push({ what: "root", position, problem: told });
    }
  }

  /** Snapshots that the replay has not come by. */
  private async lookAtOthers(): Promise<void> {
    const { store, state, platform, turns } = this;
    const reached = this.proven.head?.position ?? 0;
    for (const position of this.unseen) {
      const { pages, problem } = await checkAlone(store, position, state.bankId, { platform, turns });
      const isBetween = position <= reached && position > (state.gap?.upTo.position ?? 0);
      const wrong = problem ?? (isBetween ? "no batch ends at its position" : undefined);
      if (wrong === undefined) this.snapshots.push({ position, pages, compared: false });
      else this.damages.push({ what: "snapshot", position, problem: wrong });
    }
  }

  /** Whether the end that opening found is that of the records. */
  private endsRight(): boolean {
    const { head } = this.state;
    if (head === undefined || bytesEqual(head.chainHash, this.replay.chainHash)) return true;
    return this.journalDamaged(
      head.position,
      new Error("the store names another chain hash at its end than its batches have"),
    );
  }

  private async rows(): Promise<number | undefined> {
    const { ledger } = this.replay;
    const checked = await checkRows(this.store, ledger, this.turns);
    if (checked?.problem !== undefined)
      this.damages.push({ what: "account rows", position: ledger.position, problem: checked.problem });
    return checked?.rows;
  }

  private journalDamaged(position: Position, error: unknown): false {
    if (error instanceof StoreError && !(error instanceof CorruptStoreError)) throw error;
    this.damages.push({ what: "journal", position, problem: errorText(error) });
    return false;
  }
}

type Proven = Pick<Verified, "head" | "digest" | "epoch" | "accounts">;

function provenBy({ ledger, chainHash }: Replay): Proven {
  return {
    head: ledger.position === 0 ? undefined : { position: ledger.position, chainHash },
    digest: ledger.digestBytes(),
    epoch: ledger.currentEpoch()?.number ?? 0,
    accounts: ledger.nextAccountNumber - 1,
  };
}

/** What a customer would see as a transaction, besides deposits, withdrawals and transfers. */
function movesMoney({ kind }: LedgerRecord): boolean {
  return kind === RecordKind.REVERSAL || kind === RecordKind.INTEREST_APPLIED || kind === RecordKind.HOLD_CAPTURED;
}

/**
 * The roots that the journal names. They stand behind the states that they are of, so that all have to be known before the
 * states are come by. What is damaged ends it: the walk that follows says so.
 */
async function namedRoots(store: JournalStore, after: Position, end: Position): Promise<Map<Position, Uint8Array>> {
  const roots = new Map<Position, Uint8Array>();
  try {
    for await (const batches of walkJournal(store, after, end)) {
      for (const { frame } of batches) {
        // Few batches are so: the bank's own, after a snapshot.
        const reader = new FrameReader(frame);
        for (const record of reader.recordsAt(reader.positionsOf(RecordKind.STATE_ROOT)))
          if (record.kind === RecordKind.STATE_ROOT) roots.set(record.position, record.root);
      }
    }
  } catch (error) {
    if (error instanceof StoreError && !(error instanceof CorruptStoreError)) throw error;
  }
  return roots;
}

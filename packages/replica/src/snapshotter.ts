import { assert, type Position } from "@bank/core";
import { type BegunSnapshot, beginSnapshot, type Replay, type Snapshot } from "@bank/journal";
import type { JournalStore, SharedPage } from "@bank/store";
import { nextTurn } from "./next-turn.ts";
import { errorText, type Platform } from "./platform.ts";

/**
 * For so long pages are made and stored, one page more at most, until everybody else has a turn: half of what the others
 * took for their last one, within these bounds. Under load what is written meanwhile is replayed by a start, so a
 * snapshot has to get on too.
 */
const TURN_MS_MIN = 3;
const TURN_MS_MAX = 8;
const TURN_SHARE = 1 / 2;

/** To replay a batch takes as long as so many records, whatever is in it. */
const RECORDS_PER_BATCH = 25;

/** So few batches are replayed in a moment. */
const BATCHES_MIN = 4_000;

/** A state with no more entries than this is written again in a moment. */
const SMALL_STATE_ENTRIES = 100_000;

/** What is replayed in so much less time than a large state is written in is left to the next start: 50 ms or so. */
const CLOSING_RECORDS_MIN = 50_000;

/**
 * When a bank closes, its last snapshot is given up after so long: whoever stops a process waits ten seconds, mostly, before
 * killing it. What lies behind the snapshot before is replayed then, as after a kill.
 */
const CLOSING_MS_MAX = 7_000;
/** Where other servers wait for the store, nobody is answered meanwhile. */
const AWAITED_CLOSING_MS_MAX = 300;

/**
 * Takes a snapshot every so many records, or of batches what takes as long, so that a start replays no more than that. It is
 * of one batch end, and is written a page at a time while further batches follow; one at a time.
 */
export class Snapshotter {
  private readonly options: {
    readonly replay: Replay;
    readonly store: JournalStore;
    readonly platform: Platform;
    readonly everyRecords: number;
    readonly onSaved: (snapshot: Pick<Snapshot, "position" | "root">) => void;
  };
  private lastPosition: Position;
  /** Batches since then. */
  private batches = 0;
  private saving: Promise<void> | undefined;
  /** The moment at which the one that is being saved is given up. */
  private endsMs = Number.POSITIVE_INFINITY;

  constructor(options: Snapshotter["options"], lastPosition: Position) {
    // A saved snapshot is followed by the record of its root: that one record must not call for the next snapshot.
    this.options = { ...options, everyRecords: Math.max(options.everyRecords, 2) };
    this.lastPosition = lastPosition;
  }

  /** Called when the ledger is at a batch end that is durable in the store. */
  afterBatch(): void {
    this.afterBatches(1);
  }

  afterBatches(count: number): void {
    this.batches += count;
    if (this.isDue()) this.start();
  }

  /**
   * Waits for the one that is being saved. Where the ledger is at a batch end that is durable in the store, takes one
   * more, unless hardly anything lies behind the newest. Of both only as much is done as there is time for: hardly any where
   * others wait for the store, and then no large state is begun.
   */
  async finish(options: { readonly isDurable: boolean; readonly isAwaited?: boolean }): Promise<void> {
    const { isDurable, isAwaited = false } = options;
    this.endsMs = this.options.platform.monotonicMs() + (isAwaited ? AWAITED_CLOSING_MS_MAX : CLOSING_MS_MAX);
    await this.saving;
    const isTooLarge = isAwaited && this.entries() > SMALL_STATE_ENTRIES;
    if (isDurable && !isTooLarge && this.isWorthAStart()) this.start();
    await this.saving;
    this.endsMs = Number.POSITIVE_INFINITY;
  }

  /** Whether the next start takes longer with what lies behind the newest snapshot than a stop with one more. */
  private isWorthAStart(): boolean {
    const records = this.options.replay.ledger.position - this.lastPosition;
    if (records <= 0 || this.entries() <= SMALL_STATE_ENTRIES) return records > 0;
    return records + this.batches * RECORDS_PER_BATCH >= CLOSING_RECORDS_MIN;
  }

  /**
   * Records between two snapshots. Each writes the accounts anew, holds and reversals too; request ids only where they are new.
   * Were all snapshots equally far apart, they would cost more the more there is, without end. So a large state waits until as
   * many records have come as it has such entries, and a start replays about as many.
   */
  private spacing(): number {
    return Math.max(this.options.everyRecords, this.entries() - SMALL_STATE_ENTRIES);
  }

  /** How many entries each snapshot writes anew. */
  private entries(): number {
    const { accounts, holds, reversals } = this.options.replay.ledger;
    return accounts.count + holds.count + reversals.size;
  }

  /** Whether a start would replay too much: the time is that of the records, and of the batches that they came in. */
  private isDue(): boolean {
    const records = this.options.replay.ledger.position - this.lastPosition;
    const spacing = this.spacing();
    if (records >= spacing) return true;
    return this.batches >= Math.max(BATCHES_MIN, (spacing - records) / RECORDS_PER_BATCH);
  }

  private start(): void {
    if (this.saving !== undefined) return;
    const { replay, platform } = this.options;
    const snapshot = beginSnapshot(replay, platform.sha256);
    this.lastPosition = snapshot.position;
    this.batches = 0;
    this.saving = this.save(snapshot)
      .catch((error: unknown) => {
        // The journal holds everything; only the next start takes longer.
        platform.log.error("snapshot not saved", { position: snapshot.position, problem: errorText(error) });
      })
      .finally(() => {
        this.saving = undefined;
      });
  }

  private async save({ position, pages, seal, stored }: BegunSnapshot): Promise<void> {
    const { store, platform, onSaved } = this.options;
    let root: Uint8Array | undefined;
    await store.saveSnapshot({
      position,
      pages: inTurns(pages, platform, () => this.endsMs),
      header: () => {
        const sealed = seal();
        root = sealed.root;
        return sealed.header;
      },
    });
    assert(root !== undefined, "a snapshot is stored with its header");
    stored();
    onSaved({ position, root });
  }
}

/**
 * Lets everything that is ready go on every few milliseconds, so that nobody waits for the whole of a large state.
 * Throws once it is too late, so that there is no such snapshot.
 */
async function* inTurns(
  pages: BegunSnapshot["pages"],
  platform: Platform,
  endsMs: () => number,
): AsyncGenerator<Uint8Array | SharedPage, void, undefined> {
  let sinceMs = platform.monotonicMs();
  let turnMs = TURN_MS_MIN;
  for (const page of pages) {
    if (page !== undefined) yield page;
    const nowMs = platform.monotonicMs();
    if (nowMs >= endsMs()) throw new Error("the bank closes, and there was no time for all of it");
    if (nowMs - sinceMs < turnMs) continue;
    await nextTurn(platform);
    sinceMs = platform.monotonicMs();
    turnMs = Math.min(Math.max((sinceMs - nowMs) * TURN_SHARE, TURN_MS_MIN), TURN_MS_MAX);
  }
}

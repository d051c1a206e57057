import type { Position } from "@bank/core";
import { History } from "@bank/history";
import type { Replay } from "@bank/journal";
import { epochAt, JournalFeed, type Platform, PositionWatch } from "@bank/replica";
import type { StoredBatch } from "@bank/store";
import type { LeaderJournal } from "./leader-journal.ts";

export interface StandbyHistoryOptions {
  /** Path of its file. */
  readonly file: string;
  readonly platform: Platform;
  /** The state that the standby keeps; undefined for none yet. */
  readonly state: () => Replay | undefined;
  /** Whom it follows; undefined while that is not known. */
  readonly leader: () => LeaderJournal | undefined;
}

/**
 * The history file of a server that waits for its turn, kept as far as its state in memory: from the batches that come, and what is
 * missing before them from the leader. Whether it is of the store's journal is proven anew when the server has its turn.
 */
export class StandbyHistory {
  private readonly options: StandbyHistoryOptions;
  private readonly history: History;
  private readonly reached = new PositionWatch(0);
  private feed: JournalFeed;
  /** Aborts when another feed begins. */
  private renewed = new AbortController();

  /** @param position what it is given comes behind this. */
  constructor(options: StandbyHistoryOptions, position: Position) {
    this.options = options;
    this.feed = this.newFeed(position);
    const { file, platform } = options;
    this.history = new History({
      file,
      start: "eager",
      platform,
      journal: this.journal(),
    });
  }

  /** The state was begun anew, at this position. */
  begin(position: Position): void {
    this.renewed.abort(new Error("the standby has begun anew"));
    this.renewed = new AbortController();
    this.feed = this.newFeed(position);
    this.reached.advance(position);
  }

  /** A batch has come, committed or not. */
  push(batch: StoredBatch): void {
    this.feed.push(batch);
  }

  /** What has come is committed up to here. */
  commit(position: Position): void {
    this.feed.commit(position);
    this.reached.advance(position);
  }

  /** How far it goes; undefined while there is none. */
  get position(): Position | undefined {
    return this.history.projectedPosition;
  }

  /** Gives the file back. */
  async close(): Promise<void> {
    const closing = new Error("the standby is over");
    this.reached.fail(closing);
    this.renewed.abort(closing);
    await this.history.close();
  }

  private journal(): ConstructorParameters<typeof History>[0]["journal"] {
    const standby = this;
    return {
      get position() {
        return standby.options.state()?.ledger.position ?? 0;
      },
      follow(after, signal) {
        return standby.feed.follow(after, AbortSignal.any([signal, standby.renewed.signal]));
      },
      async head(at) {
        // Only the state knows which epoch that was.
        await standby.reached.reached(at, NEVER);
        const { state, leader } = standby.options;
        const { ledger, chainHash } = state() ?? {};
        if (ledger === undefined || ledger.position < at) throw new Error("the standby has begun anew");
        const epochId = epochAt(ledger.epochs, at);
        if (ledger.position === at) return { chainHash, epochId };
        const asked = leader();
        if (asked === undefined) throw new Error("there is no leader to ask");
        return { chainHash: await asked.chainHashAt(at), epochId };
      },
    };
  }

  private newFeed(position: Position): JournalFeed {
    const { state, leader, platform } = this.options;
    const store = {
      read: async (after: Position, limits = {}) => {
        const { bankId, ledger } = state() ?? {};
        const asked = leader();
        if (asked === undefined || bankId === undefined || ledger === undefined)
          throw new Error("there is no leader to read the journal from");
        return asked.read(bankId, { after, last: ledger.position }, limits);
      },
      chainHashAt: () => Promise.reject(new Error("nobody follows a standby")),
    };
    return new JournalFeed({ store, sha256: platform.sha256, appendedPosition: position, committedPosition: position });
  }
}

/** Closing fails whoever waits. */
const NEVER = new AbortController().signal;

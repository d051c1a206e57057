import { assert, bytesEqual, type Position, RefusalError, toHex } from "@bank/core";
import type { Sha256 } from "@bank/journal";
import type { JournalStore, StoredBatch } from "@bank/store";
import { FeedTail, PIECE_BYTES_MAX } from "./feed-tail.ts";
import { requireIntact } from "./require-intact.ts";

/** Where a follower stands, and the proof that its journal is a prefix of this one. */
export interface FollowerHead {
  readonly position: Position;
  /** Chain hash there; ignored at 0. */
  readonly chainHash: Uint8Array;
}

/** What a follower is told besides the batches. */
export interface FeedNews {
  /** What is known to be committed; it may be behind the batches, and ahead of them. */
  readonly committedPosition: Position;
  /** Whoever has this on its disk, and whoever shows it, says so at once; 0 if nobody waits. */
  readonly reportPosition: Position;
  /** A number that grows; who counts tells it back at once. 0 if nobody waits. */
  readonly echo: number;
}

/** One message to a follower: a batch, or only news. */
export interface FeedMessage extends FeedNews {
  readonly batch: StoredBatch | undefined;
}

export interface JournalFeedOptions {
  readonly store: Pick<JournalStore, "read" | "chainHashAt">;
  readonly sha256: Sha256;
  /** Where the journal ends that is on this replica's disk. */
  readonly appendedPosition: Position;
  readonly committedPosition: Position;
  /** How much of the newest is kept in memory; 32 MiB where nothing is said. */
  readonly tailBytesMax?: number;
  /**
   * Why nothing is handed on for now; asked when a follower begins. Before a bank has appended the record of its epoch, the
   * end of its journal may be what a crash left behind, and nobody may have it that the bank could still lose.
   */
  readonly whyClosed?: () => RefusalError | undefined;
}

/** Hands a journal on to any number of followers, each at its own pace: a slow one only reads later. */
export class JournalFeed {
  private readonly store: JournalFeedOptions["store"];
  private readonly sha256: Sha256;
  private readonly whyClosed: () => RefusalError | undefined;
  private readonly tail: FeedTail;
  private appended: Position;
  private committed: Position;
  private reportPosition: Position = 0;
  private echo = 0;
  /** Resolves with the next change; undefined while nobody waits for it. */
  private changing: PromiseWithResolvers<void> | undefined;
  private readonly ending = new AbortController();
  /** Followers of the moment. */
  followers = 0;

  constructor(options: JournalFeedOptions) {
    this.store = options.store;
    this.sha256 = options.sha256;
    this.tail = new FeedTail(options.tailBytesMax);
    this.appended = options.appendedPosition;
    this.committed = options.committedPosition;
    this.whyClosed = options.whyClosed ?? (() => undefined);
  }

  /** Up to here the journal is on this replica's disk. */
  get appendedPosition(): Position {
    return this.appended;
  }

  /** Up to here it is that, and committed. */
  get committedPosition(): Position {
    return Math.min(this.appended, this.committed);
  }

  /** Hands on a batch that is on this replica's disk, in order. */
  push(batch: StoredBatch): void {
    this.tail.push(batch);
    this.appended = batch.lastPosition;
    this.wake();
  }

  /** Everything up to a position is committed. */
  commit(position: Position): void {
    if (position <= this.committed) return;
    this.committed = position;
    this.wake();
  }

  /** Somebody waits for followers to have a position, or to tell back a number; 0 when nobody does any more. */
  ask(asked: Partial<Pick<FeedNews, "reportPosition" | "echo">>): void {
    const { reportPosition, echo } = asked;
    if (reportPosition !== undefined) this.reportPosition = reportPosition;
    if (echo !== undefined) this.echo = echo;
    this.wake();
  }

  /**
   * Checks that a follower's journal is a prefix of this one.
   * Rejects with `RefusalError` JOURNAL_DIVERGED: one of the two has records that the other lacks.
   */
  async checkPrefix(follower: FollowerHead): Promise<void> {
    const { position, chainHash } = follower;
    if (position === 0) return;
    const head = this.appended;
    if (position > head) throw diverged(`it has position ${position}, and this one ends at ${head}`);
    const own = await this.store.chainHashAt(position);
    if (own === undefined || !bytesEqual(own, chainHash))
      throw diverged(`at position ${position} it has chain hash ${toHex(chainHash)}, and this one another`);
  }

  /**
   * Every batch behind the position that is committed, then each new one, until the signal aborts or the feed ends: then it
   * rejects with the reason.
   * Rejects with: the `RefusalError` of a feed that is closed; what the store's `read` rejects with; `CorruptStoreError` where a batch is not what was stored; `InvariantError`
   * where the store lacks what should be there.
   */
  async *follow(after: Position, leaving: AbortSignal): AsyncGenerator<StoredBatch, void, undefined> {
    const signal = this.begin(leaving);
    try {
      let position = after;
      for (;;) {
        signal.throwIfAborted();
        if (position >= this.committedPosition) {
          await this.changed();
          continue;
        }
        for (const batch of await this.behind(position)) {
          if (batch.lastPosition > this.committedPosition) break;
          yield batch;
          position = batch.lastPosition;
        }
      }
    } finally {
      signal.removeEventListener("abort", this.wake);
    }
  }

  /**
   * What a follower gets: first how things stand, then every batch behind the position that is on this replica's disk,
   * committed or not, each with the newest news; news by itself only where no batch carries it. Ends and rejects as `follow`.
   *
   * @param wantsEcho whether a new echo is worth a message of its own to this follower.
   */
  async *messages(
    after: Position,
    leaving: AbortSignal,
    wantsEcho: () => boolean = () => true,
  ): AsyncGenerator<FeedMessage, void, undefined> {
    const signal = this.begin(leaving);
    this.followers++;
    try {
      let position = after;
      let told = this.news();
      yield { batch: undefined, ...told };
      for (;;) {
        signal.throwIfAborted();
        if (position < this.appended) {
          for (const batch of await this.behind(position)) {
            if (batch.lastPosition > this.appended) break;
            told = this.news();
            yield { batch, ...told };
            position = batch.lastPosition;
          }
        } else if (this.hasNews(told, position) || (this.echo > told.echo && wantsEcho())) {
          told = this.news();
          yield { batch: undefined, ...told };
        } else {
          await this.changed();
        }
      }
    } finally {
      this.followers--;
      signal.removeEventListener("abort", this.wake);
    }
  }

  /** Nothing is handed on any more: all who follow are told this. */
  end(reason: RefusalError): void {
    this.ending.abort(reason);
  }

  private begin(leaving: AbortSignal): AbortSignal {
    const closed = this.whyClosed();
    if (closed !== undefined) throw closed;
    const signal = AbortSignal.any([leaving, this.ending.signal]);
    signal.addEventListener("abort", this.wake, { once: true });
    return signal;
  }

  private news(): FeedNews {
    return { committedPosition: this.committed, reportPosition: this.reportPosition, echo: this.echo };
  }

  /** What is committed beyond a follower's journal is told with the batch. */
  private hasNews(told: FeedNews, position: Position): boolean {
    return Math.min(this.committed, position) > told.committedPosition || this.reportPosition > told.reportPosition;
  }

  private changed(): Promise<void> {
    this.changing ??= Promise.withResolvers();
    return this.changing.promise;
  }

  private readonly wake = (): void => {
    this.changing?.resolve();
    this.changing = undefined;
  };

  /** A follower would notice what is damaged too, but take it for its own damage, and the history would not. */
  private async stored(after: Position): Promise<readonly StoredBatch[]> {
    const batches = await this.store.read(after, { maxBytes: PIECE_BYTES_MAX });
    for (const batch of batches) requireIntact(this.sha256, batch);
    return batches;
  }

  /** Batches behind a position, at least one, and not more than a slow follower may keep. */
  private async behind(position: Position): Promise<readonly StoredBatch[]> {
    const batches = this.tail.behind(position) ?? (await this.stored(position));
    const next = batches[0];
    assert(
      next !== undefined && next.lastPosition <= this.appended,
      `what is handed on behind position ${position} is in the store`,
    );
    return batches;
  }
}

function diverged(problem: string): RefusalError {
  return new RefusalError("JOURNAL_DIVERGED", { problem });
}

/**
 * The port between the bank and whatever keeps its journal. An engine knows bytes, positions, hashes and epochs, and
 * nothing of accounts or money. Every engine passes the suite in `conformance.ts`.
 */

import type { CheckedPage } from "@bank/journal";

/** One encoded batch as it is hashed, stored and sent: the same bytes everywhere. */
export interface StoredBatch {
  /** Position of the batch's first record; 1 for the first batch of a bank. */
  readonly firstPosition: number;
  /** Position of the batch's last record; at least `firstPosition`. */
  readonly lastPosition: number;
  /** The frame: what the journal codec produced. Engines never look inside. */
  readonly frame: Uint8Array;
  /** Chain hash before this batch (32 bytes). */
  readonly previousHash: Uint8Array;
  /** Chain hash after this batch (32 bytes). */
  readonly chainHash: Uint8Array;
}

/** The end of a journal: the last stored batch's last position and chain hash. */
export interface StoreHead {
  readonly position: number;
  readonly chainHash: Uint8Array;
}

/**
 * What a store lacks that began from a snapshot: everything behind `after`, up to the snapshot's position. It is filled from
 * its beginning on, batch by batch, and closes when what fills it has led to the chain hash that the snapshot names; until
 * then nothing of it is shown.
 */
export interface StoreGap {
  /** The last position before it that the store has; 0 for none. */
  readonly after: number;
  /** How far it has been filled; undefined while nothing is there. */
  readonly filled: StoreHead | undefined;
  /** The last position that is missing, and the chain hash there: those of the snapshot. */
  readonly upTo: StoreHead;
}

/** What an engine found when it opened. */
export interface StoreState {
  /** 16 bytes; undefined for a store in which no bank lives yet. */
  readonly bankId: Uint8Array | undefined;
  /** undefined while no batch is stored. */
  readonly head: StoreHead | undefined;
  /** The epoch that the store is fenced to: a lower one may no longer append. 0 before the first `fence`. */
  readonly epoch: number;
  /** False when the last user that wrote to this store did not close it. */
  readonly closedCleanly: boolean;
  /** undefined for a store that has the whole journal. */
  readonly gap: StoreGap | undefined;
}

/** A snapshot of the state at exactly one batch end. Header and pages are bytes of the snapshot codec. */
export interface StoredSnapshot {
  readonly position: number;
  readonly header: Uint8Array;
  readonly pages: readonly Uint8Array[];
}

/** A page that never changes again, and that many snapshots have. A store keeps it once, as long as a snapshot has it. */
export interface SharedPage {
  /** 32 bytes: SHA-256 of the page. Shared pages with the same hash are the same page. */
  readonly hash: Uint8Array;
  /**
   * Whether who saves it has seen in this process that the store has it whole: because a snapshot with it was loaded and proven,
   * or saved. Else what the store has under this hash is compared, and written anew if it was damaged.
   */
  readonly isProven: boolean;
  /** The page. Asked for only where the store does not have it or has to compare it. */
  bytes(): Uint8Array;
}

/** A snapshot on its way into a store: a page after the other, and behind them the header, which proves them. */
export interface SnapshotSource {
  readonly position: number;
  /** Gone through once. The next page is asked for when the one before is written, so as many as there are need no memory. */
  readonly pages: Iterable<Uint8Array | SharedPage> | AsyncIterable<Uint8Array | SharedPage>;
  /** Asked for once, behind the last page. */
  header(): Uint8Array;
}

/**
 * An account as a batch left it, for engines that show accounts beside the journal. A view for people and other programs,
 * never a source: the bank reads its journal alone.
 */
export interface AccountRow {
  /** The account's number, in decimal; the name of one of the bank's own accounts, such as `cash/1/USD`. */
  readonly number: string;
  /**
   * What a customer would see of it besides money, by name: type, currency, status, owner and so on. All is text. Those of a
   * batch that changed none of them may be left out: what is there stays.
   */
  readonly terms: Readonly<Record<string, string>>;
  /** Minor units, as the account's owner counts them. */
  readonly posted: bigint;
  /** Minor units. */
  readonly held: bigint;
  /** Counts the changes of the account; ascends. */
  readonly version: bigint;
}

/** A row of an account as it is found in a store, whoever may have changed it there. */
export interface ShownAccount {
  /** As `AccountRow.number`. */
  readonly number: string;
  /** The terms, and `posted`, `held` and `version` in decimal. */
  readonly fields: Readonly<Record<string, string>>;
}

/** What an append may bring along. */
export interface AppendOptions {
  /** The epoch under which it is written. */
  readonly epoch: number;
  /**
   * Every account that the batches touched, each once, with its final values. Called at most once, before `append`
   * first waits for anything, and only by engines that keep rows of accounts.
   */
  readonly accounts?: () => Iterable<AccountRow>;
  /** It may take of the room that is kept behind the store's mark: a few bytes, without which nobody could even read. */
  readonly fromReserve?: boolean;
}

/**
 * The right to write to a store that several bank servers reach. It decides who may try, and nothing else: what makes a stale
 * holder harmless is that every write names the holder, and is checked in the same step that writes.
 *
 * Taken by `open`, renewed by the store itself while it is open, given up by `close`.
 */
export interface StoreLease {
  /** Aborts once it is lost, or was not renewed for so long that another may have it; the reason is a `LeaseLostError`. */
  readonly lost: AbortSignal;
  /** Tells the others where whoever has it can be reached: an URL. Rejects with: `LeaseLostError`. */
  announce(address: string): Promise<void>;
  /**
   * Resolves once the store has acknowledged a write under this lease that began after the call: so that nobody else had written
   * at the moment of the call. Those who call meanwhile share the next one. Rejects with: `LeaseLostError`; `StoreError` where
   * the store cannot be reached.
   */
  confirm(): Promise<void>;
}

/** Whether a store has room for more. */
export interface StoreRoom {
  /**
   * Why nothing more is to be written, for an operator; undefined while there is room. Below a mark, so that what is under way still
   * ends well. Cheap to ask: it is looked up once a second, and whenever much was written.
   */
  readonly shortage: string | undefined;
}

/** How many snapshots a store keeps: the newest, and the one before in case the newest cannot be loaded. */
export const SNAPSHOTS_KEPT = 2;

/** How much of the journal one read returns. */
export interface ReadLimits {
  /** Stop before the frames together exceed this, except that one batch is always returned. At least 0; default 4 MiB. */
  readonly maxBytes?: number;
  /** At most this many batches. At least 1; default 1,024. */
  readonly maxBatches?: number;
}

/** What `read` takes for a limit that is not named. */
export const READ_LIMITS_DEFAULT = {
  maxBytes: 4 * 1024 * 1024,
  maxBatches: 1024,
} as const satisfies Required<ReadLimits>;

/**
 * A durable, ordered, append-only sequence of batches, and the newest snapshots of what they lead to. One process uses
 * a store at a time.
 *
 * Bytes that go in are copied or written before the promise resolves, and bytes that come out belong to the caller.
 * On a store that is not open every method but `open` and `close` rejects with `StoreClosedError`. Arguments that no
 * correct caller sends (a position that is no safe integer, a hash that is not 32 bytes) are a `RangeError`.
 * Where this says that a write rejects with `AppendRefusedError` or `AppendUnknownError`, that is so for `initialize`,
 * `fence`, `saveSnapshot`, `seed` and `fill` too: all share one file, so a doubt about one write stops the others until `recover`.
 */
export interface JournalStore {
  /** The engine's name, for messages: "sqlite", "memory", "postgres", "redis". */
  readonly engine: string;

  /** Where several servers reach the same store, and for as long as it is open; else undefined. */
  readonly lease?: StoreLease | undefined;

  /** Where the store watches how much room it has left; else undefined, and a write is refused once there is none. */
  readonly room?: StoreRoom | undefined;

  /** What an operator should hear of how the server behind the store is set up. Known once it is open. */
  readonly warnings?: readonly string[] | undefined;

  /**
   * Takes the store for this process and recovers it. Where several servers reach it, it takes the lease: at once where nobody
   * has it, and from a holder that gives no sign of life for the store's time to live. On a full disk an existing store still opens, for reading: until
   * there is room again, each write is an `AppendRefusedError`.
   * Rejects with: `StoreLockedError` when another process has it, with that one's address where it is known; `CorruptStoreError`; `StoreVersionError` when a newer
   * program wrote it; `StoreError` where it cannot be used at all (a folder that cannot be written, say).
   */
  open(): Promise<StoreState>;

  /** Makes an empty store the store of this bank. Idempotent by `bankId`; another bank's id is a `JournalConflictError`. */
  initialize(bankId: Uint8Array): Promise<void>;

  /**
   * Durably raises the epoch that the store is fenced to. From then on a lower epoch's append is refused; a higher one's
   * is taken and raises nothing.
   * Idempotent: the same number again. Rejects with `StaleEpochError` for a lower one.
   */
  fence(epoch: number): Promise<void>;

  /**
   * Makes the batches durable, all or none, and resolves only then. Checks in this order, before anything is written:
   * a bank lives here (`StoreError`), epoch (`StaleEpochError`), positions without a gap, inside the array too
   * (`PositionGapError`), each `previousHash` equal to the hash before it (`JournalConflictError`; what precedes the
   * first batch of a bank is not the store's to know).
   * Idempotent by (position, chain hash): batches that are already there are a success, also where only the first of an
   * array are; a position occupied by other bytes is a `JournalConflictError`.
   * Rejects with: `AppendRefusedError` when certainly nothing was stored, as its kind `StoreFullError` where that is for lack of
   * room; `AppendUnknownError` when that
   * cannot be known (an I/O error in fsync): then only `recover` and the same append again settle it.
   */
  append(batches: readonly StoredBatch[], options: AppendOptions): Promise<void>;

  /**
   * Batches whose last position is above `afterPosition` (0 for the beginning), in order; empty at the end of the
   * journal. In a journal with a gap, those before it end where it begins.
   * Rejects with: `CorruptStoreError` where what is stored has a gap that it should not have, or its hashes do not link;
   * `JournalGapError` where the next batch lies in the gap.
   */
  read(afterPosition: number, limits?: ReadLimits): Promise<readonly StoredBatch[]>;

  /** The batch that contains `position`, or undefined. Rejects with: `JournalGapError` where it lies in the gap. */
  batchAt(position: number): Promise<StoredBatch | undefined>;

  /**
   * The chain hash after the batch that ends at `position`; undefined where no batch ends. It is known of the position
   * where a gap ends. Rejects with: `JournalGapError` for any other in the gap.
   */
  chainHashAt(position: number): Promise<Uint8Array | undefined>;

  /**
   * Stores a snapshot durably, then forgets all but the `SNAPSHOTS_KEPT` of the highest positions. One at the same position
   * is given up at the beginning, to be replaced.
   *
   * It is written in small steps: a few pages, of some 100 KB each, as one, and other calls, appends above all, go on between
   * them. How much time passes between the steps is for the source to say, which is waited for. Only the last step, with
   * the header, makes it a snapshot: when the source throws, a step fails or the process ends before it, there is none,
   * and what is left of it takes room at most until the next call; its shared pages may serve that one. One at a time: another call meanwhile is a
   * `StoreError`, and so is a step after `recover`.
   * Rejects with: `PositionGapError` where no stored batch ends; what the source throws, as it is.
   */
  saveSnapshot(snapshot: SnapshotSource): Promise<void>;

  /**
   * Lets the journal go on from a snapshot of a position beyond its end: stores it as `saveSnapshot` does, and with the same
   * last step there is a gap before it, and the journal ends at it. Whatever fails before that, nothing has changed.
   * Rejects with: `PositionGapError` where the journal goes that far; `StoreError` while it has a gap already, or no bank.
   *
   * @param chainHash 32 bytes: at the snapshot's position.
   */
  seed(snapshot: SnapshotSource, chainHash: Uint8Array): Promise<void>;
  /**
   * Stores batches in the gap, all or none, behind those that fill it already; with the last of them the gap closes.
   * Idempotent: batches that are already there are a success, also when the gap is closed.
   * Rejects with: `PositionGapError` where they do not begin right behind; `JournalConflictError` where they do not
   * continue the chain, are other than those that are there, or do not lead to the hash where the gap ends.
   */
  fill(batches: readonly StoredBatch[]): Promise<void>;
  /** What is missing; undefined when the journal is whole. */
  gap(): Promise<StoreGap | undefined>;
  /** Positions of the stored snapshots, newest first. */
  snapshotPositions(): Promise<readonly number[]>;

  /** The snapshot at exactly this position, or undefined. */
  loadSnapshot(position: number): Promise<StoredSnapshot | undefined>;
  /** Its header alone. */
  snapshotHeader(position: number): Promise<Uint8Array | undefined>;
  /** One of its pages, the first being 0; undefined behind the last, and once it is forgotten. */
  snapshotPage(position: number, pageNumber: number): Promise<Uint8Array | undefined>;
  /**
   * Its pages in their order, from the first to before `pageCount`, read ahead and worked on in a thread of their own, which
   * ends with the iteration however that ends. The bytes of a page stay only until the next one is asked for. Not there
   * where an engine has no such thread.
   * The iteration rejects with: `ReadAheadError` when the thread cannot start or fails; `CorruptStoreError` where a page is
   * not there or is no page.
   */
  checkedPages?(position: number, pageCount: number): AsyncIterable<CheckedPage>;

  /**
   * Drops every connection and opens anew without giving up the lock, so that what is there after an
   * `AppendUnknownError` is what a new process would find. When it rejects, the store stays in doubt and `recover` may
   * be called again.
   */
  recover(): Promise<StoreState>;

  /**
   * Where rows of accounts are kept: the position that they show, undefined where that is not known. Those of an engine whose
   * rows are behind its journal, or damaged, are replaced by `replaceAccounts`, for which nothing is appended meanwhile.
   */
  readonly accountsPosition?: (() => Promise<number | undefined>) | undefined;
  /** Writes all rows of accounts anew, in steps; they show this position, the journal's last, once it resolves. */
  readonly replaceAccounts?: ((position: number, accounts: Iterable<AccountRow>) => Promise<void>) | undefined;
  /** All rows of accounts that are there, in no order; while others write, one may come twice. */
  readonly shownAccounts?: (() => AsyncIterable<ShownAccount>) | undefined;

  /** Gives the store back, marking it closed cleanly unless a write is in doubt. Idempotent; `open` may follow. */
  close(): Promise<void>;
}

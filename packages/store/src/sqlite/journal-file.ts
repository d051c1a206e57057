import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { copyBytes } from "../bytes.ts";
import { AppendRefusedError, CorruptStoreError, StoreError } from "../errors.ts";
import type { KeptPage, NumberedPage } from "../pending-pages.ts";
import type { SharedPage, StoredBatch, StoreGap, StoreHead } from "../port.ts";
import { Checkpointer } from "./checkpointer.ts";
import type { Connect } from "./connection.ts";
import { connect as connectAsEver, disconnect, makeDurable, requireDurable } from "./connection.ts";
import type { FolderLock } from "./folder-lock.ts";
import { type GapBounds, GapTable } from "./gap-table.ts";
import { JournalTable } from "./journal-table.ts";
import { createLayout, readLayout } from "./layout.ts";
import type { Meta } from "./meta-table.ts";
import { MetaTable } from "./meta-table.ts";
import type { Sweep } from "./shared-pages-table.ts";
import { type CompleteSnapshot, SnapshotTable } from "./snapshot-table.ts";
import { failure, isFull, refusal } from "./sqlite-errors.ts";
import { commitOne, Transaction } from "./transaction.ts";

export const JOURNAL_FILE = "journal.db";

/** About what a step of dropping pages writes. */
const FREE_LIST_BYTES = 16_384;

interface OpenOptions {
  readonly lock: FolderLock;
  readonly connect: Connect;
  readonly doubtful: boolean;
  readonly onWrote?: (bytes: number) => void;
}

/**
 * One connection to `journal.db`, its statements, and what of it is known without asking. Thrown away and opened anew
 * after a doubt.
 */
export class JournalFile {
  readonly journal: JournalTable;
  readonly snapshots: SnapshotTable;
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #metaTable: MetaTable;
  readonly #transaction: Transaction;
  readonly #checkpointer: Checkpointer;
  readonly #onWrote: (bytes: number) => void;
  /** Position of the snapshot that is being saved. */
  savingSnapshot: number | undefined;
  readonly #gapTable: GapTable;
  #gap: StoreGap | undefined;
  #meta: Meta;
  #head: StoreHead | undefined;
  /** Whether what an unclean end left in the log is written anew. Nothing may be written before it is. */
  #settled: boolean;
  /** Whether the file says that it is in use, so that the hot path need not look further. */
  #readyToWrite = false;

  private constructor(
    database: DatabaseSync,
    path: string,
    { checkpoints, onWrote }: { readonly checkpoints: "thread" | "here"; readonly onWrote: (bytes: number) => void },
  ) {
    this.#database = database;
    this.#onWrote = onWrote;
    this.#path = path;
    this.journal = new JournalTable(database);
    this.snapshots = new SnapshotTable(database);
    this.#metaTable = new MetaTable(database);
    this.#gapTable = new GapTable(database);
    this.#transaction = new Transaction(database);
    this.#checkpointer = new Checkpointer(database, checkpoints);
    this.#meta = this.#metaTable.read();
    this.#settled = this.#meta.clean;
  }

  /**
   * Opens the journal of a locked folder and makes it where there is none. `doubtful` settles the log even where the
   * file calls itself clean. `onWrote` is told how many bytes of batches and snapshots each commit had.
   * Throws: what `JournalStore.open` rejects with.
   */
  static open(folder: string, { lock, connect, doubtful, onWrote = () => undefined }: OpenOptions): JournalFile {
    const path = join(folder, JOURNAL_FILE);
    let database: DatabaseSync | undefined;
    try {
      database = connect(path);
      const layout = readLayout(database, path);
      if (layout === "empty" && lock.journalWasMade) {
        throw new CorruptStoreError(
          `${path} is missing or empty, but this folder held a journal: bring the file back, or use a new folder`,
        );
      }
      makeDurable(database, path);
      if (layout === "empty") create(database);
      lock.rememberJournal();
      const file = new JournalFile(database, path, {
        checkpoints: connect === connectAsEver ? "thread" : "here",
        onWrote,
      });
      if (doubtful) file.#settled = false;
      file.#recover();
      return file;
    } catch (error) {
      if (database !== undefined) disconnect(database);
      throw failure(error, `open ${path}`);
    }
  }

  get meta(): Meta {
    return this.#meta;
  }

  get head(): StoreHead | undefined {
    return this.#head;
  }

  get gap(): StoreGap | undefined {
    return this.#gap;
  }

  /** Stores batches that were checked to continue the journal. Throws: `AppendRefusedError`, `AppendUnknownError`. */
  append(batches: readonly StoredBatch[]): void {
    const last = batches.at(-1);
    if (last === undefined) return;
    this.#prepareToWrite();
    const what = `append positions ${batches[0]?.firstPosition} to ${last.lastPosition}`;
    if (batches.length === 1) commitOne(what, () => this.journal.insert(last));
    else {
      this.#transaction.run(what, () => {
        for (const batch of batches) this.journal.insert(batch);
      });
    }
    this.#head = { position: last.lastPosition, chainHash: new Uint8Array(last.chainHash) };
    this.#wrote(batches.reduce((sum, { frame }) => sum + frame.length, 0));
  }

  /** Throws: `AppendRefusedError`, `AppendUnknownError`. */
  changeMeta(change: Partial<Pick<Meta, "bankId" | "epoch">>): void {
    this.#prepareToWrite();
    this.#writeMeta({ ...this.#meta, ...change });
  }

  /** One step of saving a snapshot. Throws: `AppendRefusedError`, `AppendUnknownError`. */
  dropSnapshot(position: number): void {
    this.#prepareToWrite();
    commitOne(`give up the snapshot at ${position}`, () => this.snapshots.drop(position));
    this.#wroteOfSnapshot(0);
  }

  /** One step of saving a snapshot. Throws: `AppendRefusedError`, `AppendUnknownError`. */
  saveSnapshotPages(
    position: number,
    { pages, shared }: { readonly pages: readonly NumberedPage[]; readonly shared: readonly KeptPage[] },
  ): void {
    this.#prepareToWrite();
    this.#transaction.run(`save pages of the snapshot at ${position}`, () => {
      for (const each of pages) this.snapshots.savePage(position, each);
      for (const each of shared) this.snapshots.shared.save(each);
    });
    this.#wroteOfSnapshot([...pages, ...shared].reduce((sum, { page }) => sum + page.length, 0));
  }

  /**
   * What has to be written for the page to be there; undefined, mostly, where it is.
   * Throws: `AppendRefusedError`, `AppendUnknownError`; SQLite's errors in reading.
   */
  lackingPage(page: SharedPage): KeptPage | undefined {
    this.#prepareToWrite();
    const { shared } = this.snapshots;
    if (!shared.exists) {
      this.#transaction.run("make the tables of shared pages", () => shared.create());
      shared.created();
    }
    return shared.has(page) ? undefined : { hash: copyBytes(page.hash), page: copyBytes(page.bytes()) };
  }

  /** The last step of saving a snapshot. Throws: `AppendRefusedError`, `AppendUnknownError`. */
  completeSnapshot(snapshot: CompleteSnapshot): void {
    this.#prepareToWrite();
    const what = `save the snapshot at ${snapshot.position}`;
    this.#transaction.run(what, () => this.snapshots.complete(snapshot));
    this.#wroteOfSnapshot(snapshot.header.length);
  }

  /** The last step of seeding: the snapshot and the gap before it. Throws: `AppendRefusedError`, `AppendUnknownError`. */
  completeSeed(snapshot: CompleteSnapshot, upTo: StoreHead): void {
    this.#prepareToWrite();
    const bounds: GapBounds = { after: this.#head?.position ?? 0, upTo };
    this.#transaction.run(`begin from the snapshot at ${snapshot.position}`, () => {
      this.snapshots.complete(snapshot);
      this.#gapTable.create(bounds);
      this.#metaTable.write({ ...this.#meta, hasGap: true });
    });
    this.#meta = { ...this.#meta, hasGap: true };
    this.#gap = { ...bounds, filled: this.#filled(bounds) };
    this.#head = upTo;
    this.#wroteOfSnapshot(snapshot.header.length);
  }

  /** Stores batches that were checked to fill the gap. Throws: `AppendRefusedError`, `AppendUnknownError`. */
  fill(batches: readonly StoredBatch[]): void {
    const last = batches.at(-1);
    const gap = this.#gap;
    if (last === undefined || gap === undefined) return;
    this.#prepareToWrite();
    const closes = last.lastPosition === gap.upTo.position;
    this.#transaction.run(`fill positions ${batches[0]?.firstPosition} to ${last.lastPosition}`, () => {
      for (const batch of batches) this.journal.insert(batch);
      if (!closes) return;
      this.#gapTable.drop();
      this.#metaTable.write({ ...this.#meta, hasGap: false });
    });
    if (closes) this.#meta = { ...this.#meta, hasGap: false };
    const filled = { position: last.lastPosition, chainHash: new Uint8Array(last.chainHash) };
    this.#gap = closes ? undefined : { ...gap, filled };
    this.#wrote(batches.reduce((sum, { frame }) => sum + frame.length, 0));
  }

  /**
   * Drops some of what is left of snapshots that are none, unless it finds nothing.
   * Throws: `AppendRefusedError`, `AppendUnknownError`.
   */
  dropSnapshotRemains(): "dropped" | "nothing left" {
    this.#prepareToWrite();
    let found: number | undefined;
    commitOne("drop pages of forgotten snapshots", () => {
      found = this.snapshots.remains();
      if (found !== undefined) this.snapshots.dropSomePages(found);
    });
    if (found === undefined) return "nothing left";
    // What is written of free pages is their list.
    this.#wroteOfSnapshot(FREE_LIST_BYTES);
    return "dropped";
  }

  /**
   * Drops some of the shared pages that no snapshot has, and gives what is to be gone on with; undefined once all are looked
   * through.
   * Throws: `AppendRefusedError`, `AppendUnknownError`.
   */
  dropUnsharedPages(begun?: Sweep): Sweep | undefined {
    this.#prepareToWrite();
    const { shared } = this.snapshots;
    if (!shared.exists) return undefined;
    let sweep = begun;
    let goesOn = false;
    this.#transaction.run("drop pages that no snapshot has", () => {
      sweep ??= shared.sweep();
      goesOn = shared.sweepOn(sweep);
    });
    this.#wroteOfSnapshot(FREE_LIST_BYTES);
    return goesOn ? sweep : undefined;
  }

  /** Ends what goes on beside, with its connection: to be waited for before this one is closed. Idempotent. */
  stop(): Promise<void> {
    return this.#checkpointer.stop();
  }

  /** Closes the connection after use that left nothing in doubt. */
  closeCleanly(): void {
    try {
      if (this.#settled && !this.#meta.clean) {
        this.#checkpointer.truncate();
        this.#writeMeta({ ...this.#meta, clean: true });
      }
    } catch {
      // The file goes on saying that it is in use, which is true: the next opening settles what is left in its log.
    } finally {
      this.drop();
    }
  }

  /** Closes the connection and leaves the file as it is. */
  drop(): void {
    disconnect(this.#database);
  }

  /** Before anybody looks: settle the log, then see whether the ends of the journal hold together. */
  #recover(): void {
    try {
      if (!this.#settled) this.#settle();
    } catch (error) {
      // A full disk only delays this. Until it is done the store can be read, and `#prepareToWrite` refuses writes.
      if (!isFull(error)) throw error;
    }
    const bounds = this.#meta.hasGap ? this.#gapTable.read() : undefined;
    this.#gap = bounds && { ...bounds, filled: this.#filled(bounds) };
    this.#head = this.journal.head(bounds);
    const newest = this.snapshots.positions()[0];
    const end = this.#head?.position ?? 0;
    if (newest !== undefined && newest > end) {
      throw new CorruptStoreError(
        `${this.#path} ends at position ${end}, but has a snapshot of position ${newest}: the journal lost its end`,
      );
    }
  }

  /** The last batch before the end of the gap: of what fills it, or of what was there before it. */
  #filled({ upTo }: GapBounds): StoreHead | undefined {
    const last = this.journal.batchAtOrBefore(upTo.position);
    return last && { position: last.lastPosition, chainHash: last.chainHash };
  }

  #settle(): void {
    this.#checkpointer.truncate();
    this.#settled = true;
  }

  #wrote(bytes: number): void {
    this.#onWrote(bytes);
    this.#checkpointer.wrote(bytes);
  }

  #wroteOfSnapshot(bytes: number): void {
    this.#onWrote(bytes);
    this.#checkpointer.wroteOfSnapshot(bytes);
  }

  #prepareToWrite(): void {
    if (this.#readyToWrite) return;
    try {
      if (!this.#settled) this.#settle();
    } catch (error) {
      if (!(error instanceof StoreError)) throw refusal(error, "write before the log is settled");
      throw new AppendRefusedError(`nothing was stored: ${error.message}`, { cause: error });
    }
    if (this.#meta.clean) this.#writeMeta({ ...this.#meta, clean: false });
    // Some builds of SQLite lower this with the first write.
    requireDurable(this.#database, this.#path);
    this.#readyToWrite = true;
  }

  #writeMeta(meta: Meta): void {
    commitOne("write the store's facts about itself", () => this.#metaTable.write(meta));
    this.#meta = meta;
  }
}

function create(database: DatabaseSync): void {
  new Transaction(database).run("make a new journal", () => {
    createLayout(database);
    new MetaTable(database).write({ bankId: undefined, epoch: 0, clean: true, hasGap: false });
  });
}

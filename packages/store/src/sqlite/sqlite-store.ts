import { join, resolve } from "node:path";
import type { CheckedPage } from "@bank/journal";
import { checkAppend, checkFill, requireOutside } from "../append-check.ts";
import { completeLimits, requireBankId, requireEpoch, requirePosition, requireSeed } from "../arguments.ts";
import { copyBytes, equalBytes, shortHex } from "../bytes.ts";
import {
  AppendUnknownError,
  JournalConflictError,
  PositionGapError,
  StaleEpochError,
  StoreClosedError,
  StoreError,
} from "../errors.ts";
import { FreeSpace } from "../free-space.ts";
import type {
  AppendOptions,
  JournalStore,
  ReadLimits,
  SnapshotSource,
  StoredBatch,
  StoredSnapshot,
  StoreGap,
  StoreHead,
  StoreState,
} from "../port.ts";
import type { Connect } from "./connection.ts";
import { connect } from "./connection.ts";
import { prepareDataFolder } from "./data-folder.ts";
import { FolderLock } from "./folder-lock.ts";
import { JOURNAL_FILE, JournalFile } from "./journal-file.ts";
import { checkedPages } from "./page-thread.ts";
import { saveInSteps } from "./save-snapshot.ts";
import { failure } from "./sqlite-errors.ts";

type Phase =
  /** Holds nothing. Left by `open`. */
  | { readonly kind: "closed" }
  /** All is well. Left by `close`, and by a write of which nobody knows whether it was stored. */
  | { readonly kind: "open"; readonly lock: FolderLock; readonly file: JournalFile }
  /** A write is in doubt. Reads still show what was there before it; no write until `recover`. */
  | { readonly kind: "doubtful"; readonly lock: FolderLock; readonly file: JournalFile; readonly cause: unknown }
  /** `recover` gave up the connection and could not make another. Holds only the lock. Left by another `recover`. */
  | {
      readonly kind: "dropped";
      readonly lock: FolderLock;
      readonly cause: unknown;
      /** Until then connections that were dropped are still being closed. */
      readonly stopped: Promise<void>;
    };

/**
 * The default engine: a data folder with `journal.db` (SQLite, write-ahead log, every commit synced) and `lock.db`.
 * Each write is synchronous inside: it takes as long as the disk does, and the process waits. A snapshot is many writes.
 */
export class SqliteJournalStore implements JournalStore {
  readonly engine = "sqlite";
  /** Absolute path of the data folder. */
  readonly folder: string;
  /** undefined where nothing is watched. */
  readonly room: FreeSpace | undefined;
  readonly #connect: Connect;
  #phase: Phase = { kind: "closed" };

  /**
   * `minFreeBytes`: see `openStore`. For tests: `connect`, which must open the file at the path that it is given, and
   * `lookEveryMs` and `freeBytes`, as `FreeSpace` takes them.
   */
  constructor(options: {
    readonly folder: string;
    readonly minFreeBytes?: number;
    readonly lookEveryMs?: number | undefined;
    readonly connect?: Connect;
    readonly freeBytes?: (folder: string) => number;
  }) {
    this.folder = resolve(options.folder);
    const { folder } = this;
    const { minFreeBytes: markBytes = 0, lookEveryMs, freeBytes } = options;
    this.room = markBytes === 0 ? undefined : new FreeSpace({ folder, markBytes, lookEveryMs, freeBytes });
    this.#connect = options.connect ?? connect;
  }

  async open(): Promise<StoreState> {
    if (this.#phase.kind !== "closed") throw new StoreError(`the store in ${this.folder} is open already`);
    prepareDataFolder(this.folder);
    const lock = FolderLock.take(this.folder, this.#connect);
    try {
      return this.#openFile(lock, { doubtful: false });
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  async initialize(bankId: Uint8Array): Promise<void> {
    const file = this.#writable();
    requireBankId(bankId);
    const present = file.meta.bankId;
    if (present === undefined) {
      this.#write(() => file.changeMeta({ bankId: copyBytes(bankId) }));
    } else if (!equalBytes(present, bankId)) {
      throw new JournalConflictError(
        `bank ${shortHex(present)} lives in ${this.folder}: bank ${shortHex(bankId)} needs another folder`,
      );
    }
  }

  async fence(epoch: number): Promise<void> {
    const file = this.#writable();
    requireEpoch(epoch);
    const present = file.meta.epoch;
    if (epoch < present) {
      throw new StaleEpochError(`the store is fenced to epoch ${present}: epoch ${epoch} comes too late`);
    }
    if (epoch > present) this.#write(() => file.changeMeta({ epoch }));
  }

  async append(batches: readonly StoredBatch[], { epoch, fromReserve = false }: AppendOptions): Promise<void> {
    const file = this.#writable();
    const fresh = checkAppend(batches, epoch, {
      bankId: file.meta.bankId,
      fencedEpoch: file.meta.epoch,
      head: file.head,
      storedAt: (firstPosition) => this.#lookUp("read", () => file.journal.batchAtOrBefore(firstPosition)),
      gap: file.gap,
    });
    if (fresh.length === 0) return;
    if (!fromReserve) this.room?.require("append to the journal");
    this.#write(() => file.append(fresh));
  }

  async read(afterPosition: number, limits?: ReadLimits): Promise<readonly StoredBatch[]> {
    const file = this.#readable();
    requirePosition(afterPosition, 0);
    const complete = completeLimits(limits);
    const end = file.head?.position ?? 0;
    if (afterPosition >= end) return [];
    requireOutside(file.gap, afterPosition + 1);
    const until = file.gap !== undefined && afterPosition < file.gap.after ? file.gap.after : end;
    return this.#lookUp("read", () => file.journal.read({ from: afterPosition + 1, end: until, ...complete }));
  }

  async batchAt(position: number): Promise<StoredBatch | undefined> {
    const file = this.#readable();
    requirePosition(position);
    if (position > (file.head?.position ?? 0)) return undefined;
    requireOutside(file.gap, position);
    return this.#lookUp("read", () => file.journal.batchContaining(position));
  }

  async chainHashAt(position: number): Promise<Uint8Array | undefined> {
    const file = this.#readable();
    requirePosition(position);
    return this.#chainHashAt(file, position);
  }

  async saveSnapshot(snapshot: SnapshotSource): Promise<void> {
    const file = this.#writable();
    const { position } = snapshot;
    requirePosition(position);
    if (this.#chainHashAt(file, position) === undefined) {
      throw new PositionGapError(`no batch ends at ${position}: a snapshot cannot be of that position`);
    }
    await this.#save(file, snapshot);
  }

  async seed(snapshot: SnapshotSource, chainHash: Uint8Array): Promise<void> {
    const file = this.#writable();
    const { position } = snapshot;
    const state = () => ({ bankId: file.meta.bankId, head: file.head, gap: file.gap });
    requireSeed(position, chainHash, state());
    const after = file.head?.position;
    const header = () => {
      requireSeed(position, chainHash, state());
      if (file.head?.position !== after)
        throw new StoreError("the journal has grown while a snapshot was taken for it to go on from");
      return snapshot.header();
    };
    await this.#save(file, { ...snapshot, header }, { position, chainHash: copyBytes(chainHash) });
  }

  async fill(batches: readonly StoredBatch[]): Promise<void> {
    const file = this.#writable();
    const fresh = checkFill(batches, file.gap, (firstPosition) =>
      this.#lookUp("read", () => file.journal.batchAtOrBefore(firstPosition)),
    );
    if (fresh.length === 0) return;
    this.room?.require("fill the gap in the journal");
    this.#write(() => file.fill(fresh));
  }

  async gap(): Promise<StoreGap | undefined> {
    return copyGap(this.#readable().gap);
  }

  async snapshotPositions(): Promise<readonly number[]> {
    const file = this.#readable();
    return this.#lookUp("list the snapshots", () => file.snapshots.positions());
  }

  async loadSnapshot(position: number): Promise<StoredSnapshot | undefined> {
    const file = this.#readable();
    requirePosition(position);
    return this.#lookUp("load a snapshot", () => file.snapshots.load(position));
  }

  async snapshotHeader(position: number): Promise<Uint8Array | undefined> {
    const file = this.#readable();
    requirePosition(position);
    return this.#lookUp("load a snapshot", () => file.snapshots.header(position));
  }

  async snapshotPage(position: number, pageNumber: number): Promise<Uint8Array | undefined> {
    const file = this.#readable();
    requirePosition(position);
    requirePosition(pageNumber, 0);
    return this.#lookUp("load a snapshot", () => file.snapshots.page(position, pageNumber));
  }

  checkedPages(position: number, pageCount: number): AsyncIterable<CheckedPage> {
    this.#readable();
    requirePosition(position);
    requirePosition(pageCount, 0);
    return checkedPages({ path: join(this.folder, JOURNAL_FILE), position, pageCount });
  }

  async recover(): Promise<StoreState> {
    let phase = this.#phase;
    if (phase.kind === "closed") throw this.#closed();
    if (phase.kind !== "dropped") {
      const cause = phase.kind === "doubtful" ? phase.cause : undefined;
      phase = { kind: "dropped", lock: phase.lock, cause, stopped: stopAndDrop(phase.file) };
      this.#phase = phase;
    }
    // Every connection is closed before one is opened, so that the new one finds what a new process would.
    await phase.stopped;
    // It was closed meanwhile, or somebody else has recovered it.
    if (this.#phase !== phase) return this.recover();
    return this.#openFile(phase.lock, { doubtful: true });
  }

  async close(): Promise<void> {
    const phase = this.#phase;
    if (phase.kind === "closed") return;
    this.#phase = { kind: "closed" };
    try {
      if (phase.kind === "dropped") await phase.stopped;
      else {
        await phase.file.stop();
        if (phase.kind === "open") phase.file.closeCleanly();
        else phase.file.drop();
      }
    } finally {
      phase.lock.release();
    }
  }

  #openFile(lock: FolderLock, { doubtful }: { readonly doubtful: boolean }): StoreState {
    const onWrote = (bytes: number) => this.room?.wrote(bytes);
    const file = JournalFile.open(this.folder, { lock, connect: this.#connect, doubtful, onWrote });
    this.#phase = { kind: "open", lock, file };
    const { bankId, epoch, clean } = file.meta;
    return {
      bankId: bankId && copyBytes(bankId),
      head: file.head && { position: file.head.position, chainHash: copyBytes(file.head.chainHash) },
      epoch,
      closedCleanly: clean,
      gap: copyGap(file.gap),
    };
  }

  #chainHashAt(file: JournalFile, position: number): Uint8Array | undefined {
    if (position === file.gap?.upTo.position) return copyBytes(file.gap.upTo.chainHash);
    requireOutside(file.gap, position);
    return this.#lookUp("read", () => file.journal.chainHashAt(position));
  }

  #save(file: JournalFile, snapshot: SnapshotSource, seed?: StoreHead): Promise<void> {
    const step = <T>(write: () => T): T => {
      if (this.#writable() !== file)
        throw new StoreError(`the store in ${this.folder} was opened anew while a snapshot was saved`);
      this.room?.require("save a snapshot");
      return this.#write(write);
    };
    return saveInSteps(file, snapshot, step, seed);
  }

  #readable(): JournalFile {
    const phase = this.#phase;
    switch (phase.kind) {
      case "closed":
        throw this.#closed();
      case "dropped":
        throw new StoreError(`the store in ${this.folder} could not be recovered: recover it`, { cause: phase.cause });
      case "open":
      case "doubtful":
        return phase.file;
    }
  }

  #writable(): JournalFile {
    const phase = this.#phase;
    switch (phase.kind) {
      case "closed":
        throw this.#closed();
      case "dropped":
      case "doubtful":
        throw new AppendUnknownError(`an earlier write to ${this.folder} is in doubt: recover the store first`, {
          cause: phase.cause,
        });
      case "open":
        return phase.file;
    }
  }

  /** Does a write of the open phase; one that ends in doubt ends the phase. */
  #write<T>(write: () => T): T {
    try {
      return write();
    } catch (error) {
      if (error instanceof AppendUnknownError && this.#phase.kind === "open") {
        this.#phase = { ...this.#phase, kind: "doubtful", cause: error };
      }
      throw error;
    }
  }

  #lookUp<T>(what: string, look: () => T): T {
    try {
      return look();
    } catch (error) {
      throw failure(error, `${what} in ${this.folder}`);
    }
  }

  #closed(): StoreClosedError {
    return new StoreClosedError(`the store in ${this.folder} is not open`);
  }
}

async function stopAndDrop(file: JournalFile): Promise<void> {
  await file.stop();
  file.drop();
}

function copyGap(gap: StoreGap | undefined): StoreGap | undefined {
  if (gap === undefined) return undefined;
  return { after: gap.after, filled: gap.filled && copyHead(gap.filled), upTo: copyHead(gap.upTo) };
}

function copyHead({ position, chainHash }: StoreHead): StoreHead {
  return { position, chainHash: copyBytes(chainHash) };
}

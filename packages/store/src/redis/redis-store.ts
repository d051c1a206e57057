import { checkAppend, checkFill, requireOutside } from "../append-check.ts";
import {
  completeLimits,
  requireBankId,
  requireBatches,
  requireEpoch,
  requirePosition,
  requireSeed,
} from "../arguments.ts";
import { copyBytes, equalBytes, shortHex } from "../bytes.ts";
import { JournalConflictError, PositionGapError, StaleEpochError, StoreClosedError, StoreError } from "../errors.ts";
import type {
  AccountRow,
  AppendOptions,
  JournalStore,
  ReadLimits,
  ShownAccount,
  SnapshotSource,
  StoredBatch,
  StoredSnapshot,
  StoreGap,
  StoreState,
} from "../port.ts";
import { accountsPosition, PackedRows, replaceAccounts, shownAccounts } from "./account-hashes.ts";
import type { HeldLease } from "./held-lease.ts";
import { readFailure } from "./redis-errors.ts";
import type { RedisPlace } from "./redis-place.ts";
import { saveInSteps } from "./save-snapshot.ts";
import { Server, type ServerOptions } from "./server.ts";
import { copyGap, stateOf } from "./state.ts";
import type { Tenure } from "./tenure.ts";

export type RedisStoreOptions = ServerOptions;

const SAVE = "save a snapshot";

/**
 * A bank on a Redis server that keeps what it acknowledges: the journal as streams, snapshots, and a hash for each account, which
 * one function call writes together. Several bank servers may reach it; the one that has the lease writes.
 *
 * Where the connection is lost, what was on its way is in doubt, until `recover` has put a new token in the place of the old
 * one. A write while there is no connection counts as such a one: whoever waits for it goes on when the server is back.
 */
export class RedisJournalStore implements JournalStore {
  readonly engine = "redis";
  readonly #server: Server;

  constructor(options: RedisStoreOptions) {
    this.#server = new Server(options);
  }

  /** Where it is, without the password. */
  get place(): RedisPlace {
    return this.#server.place;
  }

  get lease(): HeldLease | undefined {
    return this.#server.lease;
  }

  /** What an operator should hear of the server's settings. Known once the store is open. */
  get warnings(): readonly string[] {
    return this.#server.warnings;
  }

  /** Rejects besides with: `UnsafeSettingsError` where the server can lose what it acknowledged. */
  async open(): Promise<StoreState> {
    return stateOf(await this.#server.open());
  }

  async recover(): Promise<StoreState> {
    return stateOf(await this.#server.recover());
  }

  async close(): Promise<void> {
    await this.#server.close();
  }

  /** For tests: ends as the process's end would, without a word to the server. */
  abandon(): void {
    this.#server.abandon();
  }

  async initialize(bankId: Uint8Array): Promise<void> {
    const tenure = this.#writable();
    requireBankId(bankId);
    const id = copyBytes(bankId);
    await tenure.inTurn(async () => {
      const present = tenure.facts.bankId;
      if (present === undefined) await tenure.changeFacts("make this the store of the bank", { bankId: id });
      else if (!equalBytes(present, id))
        throw new JournalConflictError(
          `bank ${shortHex(present)} lives in ${this.place.name}: bank ${shortHex(id)} needs another prefix`,
        );
    });
  }

  async fence(epoch: number): Promise<void> {
    const tenure = this.#writable();
    requireEpoch(epoch);
    await tenure.inTurn(async () => {
      const present = tenure.facts.epoch;
      if (epoch < present)
        throw new StaleEpochError(`the store is fenced to epoch ${present}: epoch ${epoch} comes too late`);
      if (epoch > present) await tenure.changeFacts(`fence to epoch ${epoch}`, { epoch });
    });
  }

  async append(batches: readonly StoredBatch[], { epoch, accounts }: AppendOptions): Promise<void> {
    const tenure = this.#writable();
    requireEpoch(epoch);
    requireBatches(batches);
    // Before anything is waited for: whoever gave them may change them then.
    const isKept = accounts !== undefined && batches.length > 0 && this.place.accountRows;
    const rows = isKept ? PackedRows.of(accounts()) : undefined;
    await tenure.inTurn(async () => {
      const { gap, head } = tenure;
      const isStored = ({ firstPosition }: StoredBatch) =>
        firstPosition <= (head?.position ?? 0) && isShown(gap, firstPosition);
      const stored = await this.#storedOf(tenure, batches.filter(isStored));
      const fresh = checkAppend(batches, epoch, {
        bankId: tenure.facts.bankId,
        fencedEpoch: tenure.facts.epoch,
        head,
        storedAt: (firstPosition) => stored.get(firstPosition),
        gap,
      });
      await tenure.append(fresh, rows);
    });
  }

  async read(afterPosition: number, limits?: ReadLimits): Promise<readonly StoredBatch[]> {
    const { head, gap, facts, journal } = this.#tenure();
    requirePosition(afterPosition, 0);
    const complete = completeLimits(limits);
    const end = head?.position ?? 0;
    if (afterPosition >= end) return [];
    requireOutside(gap, afterPosition + 1);
    const until = gap !== undefined && afterPosition < gap.after ? gap.after : end;
    return this.#lookUp("read", () => journal.read(facts.parts, { from: afterPosition + 1, end: until }, complete));
  }

  async batchAt(position: number): Promise<StoredBatch | undefined> {
    const { head, gap, facts, journal } = this.#tenure();
    requirePosition(position);
    if (position > (head?.position ?? 0)) return undefined;
    requireOutside(gap, position);
    return this.#lookUp("read", () => journal.batchContaining(facts.parts, position));
  }

  async chainHashAt(position: number): Promise<Uint8Array | undefined> {
    const tenure = this.#tenure();
    requirePosition(position);
    return this.#chainHashAt(tenure, position);
  }

  async saveSnapshot(snapshot: SnapshotSource): Promise<void> {
    const tenure = this.#writable();
    const { position } = snapshot;
    requirePosition(position);
    if ((await this.#chainHashAt(tenure, position)) === undefined)
      throw new PositionGapError(`no batch ends at ${position}: a snapshot cannot be of that position`);
    await this.#lookUp(SAVE, () =>
      saveInSteps(this.#only(tenure), snapshot, (whole) => tenure.snapshots.complete(whole)),
    );
  }

  async seed(snapshot: SnapshotSource, chainHash: Uint8Array): Promise<void> {
    const tenure = this.#writable();
    const { position } = snapshot;
    const check = () =>
      requireSeed(position, chainHash, { bankId: tenure.facts.bankId, head: tenure.head, gap: tenure.gap });
    check();
    const upTo = { position, chainHash: copyBytes(chainHash) };
    const after = tenure.head?.position;
    await this.#lookUp(SAVE, () =>
      saveInSteps(this.#only(tenure), snapshot, (whole) =>
        tenure.inTurn(async () => {
          check();
          if (tenure.head?.position !== after)
            throw new StoreError("the journal has grown while a snapshot was taken for it to go on from");
          await tenure.goOnFrom(upTo, await tenure.snapshots.completing(whole));
        }),
      ),
    );
  }

  async fill(batches: readonly StoredBatch[]): Promise<void> {
    const tenure = this.#writable();
    requireBatches(batches);
    await tenure.inTurn(async () => {
      const { gap, head } = tenure;
      const end = gap === undefined ? (head?.position ?? 0) : (gap.filled?.position ?? gap.after);
      const stored = await this.#storedOf(
        tenure,
        batches.filter(({ firstPosition }) => firstPosition <= end),
      );
      await tenure.fill(checkFill(batches, gap, (firstPosition) => stored.get(firstPosition)));
    });
  }

  async gap(): Promise<StoreGap | undefined> {
    return copyGap(this.#tenure().gap);
  }

  async snapshotPositions(): Promise<readonly number[]> {
    const { snapshots } = this.#tenure();
    return this.#lookUp("list the snapshots", () => snapshots.positions());
  }

  async loadSnapshot(position: number): Promise<StoredSnapshot | undefined> {
    const { snapshots } = this.#tenure();
    requirePosition(position);
    return this.#lookUp("load a snapshot", () => snapshots.load(position));
  }

  async snapshotHeader(position: number): Promise<Uint8Array | undefined> {
    const { snapshots } = this.#tenure();
    requirePosition(position);
    return this.#lookUp("load a snapshot", () => snapshots.header(position));
  }

  async snapshotPage(position: number, pageNumber: number): Promise<Uint8Array | undefined> {
    const { snapshots } = this.#tenure();
    requirePosition(position);
    requirePosition(pageNumber, 0);
    return this.#lookUp("load a snapshot", () => snapshots.page(position, pageNumber));
  }

  /** The three of them are not there where the URL says that no rows of accounts are kept. */
  get accountsPosition(): (() => Promise<number | undefined>) | undefined {
    return this.place.accountRows ? async () => accountsPosition(this.#tenure()) : undefined;
  }

  get replaceAccounts(): ((position: number, accounts: Iterable<AccountRow>) => Promise<void>) | undefined {
    if (!this.place.accountRows) return undefined;
    return async (position, accounts) => {
      const tenure = this.#writable();
      requirePosition(position, 0);
      await tenure.inTurn(() => replaceAccounts(tenure, position, accounts));
    };
  }

  get shownAccounts(): (() => AsyncIterable<ShownAccount>) | undefined {
    return this.place.accountRows ? () => shownAccounts(this.#tenure()) : undefined;
  }

  async #chainHashAt({ gap, facts, head, journal }: Tenure, position: number): Promise<Uint8Array | undefined> {
    if (position === gap?.upTo.position) return copyBytes(gap.upTo.chainHash);
    if (position > (head?.position ?? 0)) return undefined;
    requireOutside(gap, position);
    return this.#lookUp("read", () => journal.chainHashAt(facts.parts, position));
  }

  /** What is stored where these batches are said to be, by the first position. */
  async #storedOf(tenure: Tenure, batches: readonly StoredBatch[]): Promise<ReadonlyMap<number, StoredBatch>> {
    const { journal, facts, writes } = tenure;
    const stored = new Map<number, StoredBatch>();
    for (const { firstPosition } of batches) {
      const found = await writes.look(`compare what is at ${firstPosition}`, () =>
        journal.batchContaining(facts.parts, firstPosition),
      );
      stored.set(found.firstPosition, found);
    }
    return stored;
  }

  /** The tenure that there is now. Throws: `StoreClosedError`; `StoreError` where there is none. */
  #tenure(): Tenure {
    return this.#server.tenure();
  }

  /** The same for a write. Throws besides: `AppendUnknownError` where one is in doubt, or there is no tenure. */
  #writable(): Tenure {
    return this.#server.writable();
  }

  /** Gives a tenure as long as it is that of the store. */
  #only(tenure: Tenure): () => Tenure {
    return () => {
      if (this.#server.isOpen && this.#server.current === tenure) return tenure;
      if (!this.#server.isOpen) throw new StoreClosedError(`the store in ${this.place.name} is not open`);
      throw new StoreError(`the store in ${this.place.name} was opened anew while a snapshot was saved`);
    };
  }

  /** What only looks, between writes that say themselves what became of them. */
  async #lookUp<T>(what: string, look: () => Promise<T>): Promise<T> {
    try {
      return await look();
    } catch (error) {
      throw readFailure(error, `${what} in ${this.place.name}`);
    }
  }
}

function isShown(gap: StoreGap | undefined, position: number): boolean {
  return gap === undefined || position <= gap.after || position > gap.upTo.position;
}

import { BANK_ID_BYTES } from "../arguments.ts";
import { copyBytes } from "../bytes.ts";
import { CorruptStoreError, type LeaseLostError } from "../errors.ts";
import type { StoredBatch, StoreGap, StoreHead, StoreState } from "../port.ts";
import type { Channel } from "./channel.ts";
import { bytes, integer } from "./columns.ts";
import type { Connection } from "./connection.ts";
import type { HeldLease } from "./held-lease.ts";
import { failure } from "./postgres-errors.ts";
import type { Rows } from "./rows.ts";
import type { CompleteSnapshot } from "./snapshot-rows.ts";
import { NOT_OURS } from "./under-lease.ts";

/** What a store was found to be, once nobody else could write to it. */
export interface Found {
  readonly bankId: Uint8Array | undefined;
  readonly epoch: number;
  readonly closedCleanly: boolean;
  readonly head: StoreHead | undefined;
  readonly gap: StoreGap | undefined;
}

/**
 * Looks at the store, after the lease was taken: whatever ran under an earlier token has ended by then.
 * Gives undefined where the lease is another's. Rejects with: `CorruptStoreError`; what `query` rejects with.
 */
export async function findState(connection: Connection, rows: Rows, token: Buffer): Promise<Found | undefined> {
  const state = await rows.underLease.state(connection, token);
  if (state === undefined) return undefined;
  rows.snapshots.forgetList();
  // First, for the lease may be lost meanwhile: what another server saves of what it writes is no loss of this one's.
  const newest = (await rows.snapshots.positions(connection))[0];
  const bounds = await rows.journal.gap(connection);
  const head = await rows.journal.head(connection, bounds);
  const end = head?.position ?? 0;
  if (newest !== undefined && newest > end)
    throw new CorruptStoreError(
      `the journal ends at position ${end}, but there is a snapshot of position ${newest}: it lost its end`,
    );
  const [bankId, epoch, closedCleanly] = state;
  return {
    bankId: bankId === null ? undefined : bytes(bankId, "bank id", BANK_ID_BYTES),
    epoch: integer(epoch, "epoch", 0),
    closedCleanly: closedCleanly === "true",
    head,
    gap: bounds && { ...bounds, filled: await rows.journal.endBefore(connection, bounds.upTo.position) },
  };
}

/**
 * What is known of the store between an opening and a recovery or a closing, and the writes that change it. Whatever stands
 * here is as the server acknowledged it; the server checks each write against what it has itself.
 */
export class Session {
  /** Of the place, for messages. */
  readonly name: string;
  readonly lease: HeldLease;
  readonly rows: Rows;
  /** Of appends and whatever else moves the ends of the journal, one after the other. */
  readonly writing: Channel;
  /** Of reads and of the steps of snapshots, so that appends do not queue behind them. */
  readonly looking: Channel;
  /** Position of the snapshot that is being saved. */
  savingSnapshot: number | undefined;
  bankId: Uint8Array | undefined;
  epoch: number;
  head: StoreHead | undefined;
  gap: StoreGap | undefined;
  /** Whether the store says that it is in use, so that appends need not look further. */
  #saysInUse: boolean;

  constructor(
    found: Found,
    parts: {
      readonly name: string;
      readonly lease: HeldLease;
      readonly rows: Rows;
      readonly writing: Channel;
      readonly looking: Channel;
    },
  ) {
    this.name = parts.name;
    this.lease = parts.lease;
    this.rows = parts.rows;
    this.writing = parts.writing;
    this.looking = parts.looking;
    this.bankId = found.bankId;
    this.epoch = found.epoch;
    this.head = found.head;
    this.gap = found.gap;
    this.#saysInUse = !found.closedCleanly;
  }

  state(closedCleanly: boolean): StoreState {
    return {
      bankId: this.bankId && copyBytes(this.bankId),
      head: this.head && copyHead(this.head),
      epoch: this.epoch,
      closedCleanly,
      gap: copyGap(this.gap),
    };
  }

  /** Looks something up. Rejects with: `StoreError`s. */
  async look<T>(what: string, look: (connection: Connection) => Promise<T>): Promise<T> {
    try {
      return await this.looking.use(look);
    } catch (error) {
      throw failure(error, `${what} in ${this.name}`);
    }
  }

  /** Gives up every connection at once. The lease's time passes. */
  drop(): void {
    this.writing.drop();
    this.looking.drop();
    this.lease.pause();
  }

  /** Stores batches that were checked to continue the journal. */
  async append(connection: Connection, batches: readonly StoredBatch[], epoch: number): Promise<void> {
    const last = batches.at(-1);
    if (last === undefined) return;
    await this.sayInUse(connection);
    const { token } = this.lease;
    if (!(await this.rows.append.run(connection, batches, { token, epoch, head: this.head }))) throw this.#lost();
    this.head = { position: last.lastPosition, chainHash: copyBytes(last.chainHash) };
  }

  async initialize(connection: Connection, bankId: Uint8Array): Promise<void> {
    const id = Buffer.from(bankId);
    if (!(await this.rows.underLease.initialize(connection, this.lease.token, id))) throw this.#lost();
    this.#saysInUse = true;
    this.bankId = copyBytes(bankId);
  }

  async fence(connection: Connection, epoch: number): Promise<void> {
    if (!(await this.rows.underLease.fence(connection, this.lease.token, epoch))) throw this.#lost();
    this.#saysInUse = true;
    this.epoch = epoch;
  }

  /** Stores batches that were checked to fill the gap. */
  async fill(connection: Connection, batches: readonly StoredBatch[]): Promise<void> {
    const [last, { gap }] = [batches.at(-1), this];
    if (last === undefined || gap === undefined) return;
    const closes = last.lastPosition === gap.upTo.position;
    await this.transaction(connection, async () => {
      await this.rows.journal.insert(connection, batches);
      if (closes) await this.rows.journal.closeGap(connection);
    });
    const filled = { position: last.lastPosition, chainHash: copyBytes(last.chainHash) };
    this.gap = closes ? undefined : { ...gap, filled };
  }

  /** The last step of seeding: the snapshot and the gap before it. */
  async completeSeed(connection: Connection, snapshot: CompleteSnapshot, upTo: StoreHead): Promise<void> {
    const before = this.head;
    const bounds = { after: before?.position ?? 0, upTo };
    await this.transaction(connection, async () => {
      await this.rows.snapshots.complete(connection, snapshot);
      await this.rows.journal.openGap(connection, bounds);
    });
    this.gap = { ...bounds, filled: before };
    this.head = upTo;
  }

  /** A transaction under the lease, behind the mark that the store is in use. */
  async transaction<T>(connection: Connection, work: () => Promise<T>): Promise<T> {
    await this.sayInUse(connection);
    const result = await this.rows.underLease.transaction(connection, this.lease.token, work);
    if (result === NOT_OURS) throw this.#lost();
    return result;
  }

  /** Before the first write: so that an end without a word is noticed. */
  async sayInUse(connection: Connection): Promise<void> {
    if (this.#saysInUse) return;
    if (!(await this.rows.underLease.markInUse(connection, this.lease.token))) throw this.#lost();
    this.#saysInUse = true;
  }

  #lost(): LeaseLostError {
    return this.lease.lose("another server has taken it over; nothing was stored");
  }
}

export function copyGap(gap: StoreGap | undefined): StoreGap | undefined {
  if (gap === undefined) return undefined;
  return { after: gap.after, filled: gap.filled && copyHead(gap.filled), upTo: copyHead(gap.upTo) };
}

function copyHead({ position, chainHash }: StoreHead): StoreHead {
  return { position, chainHash: copyBytes(chainHash) };
}

import { checkAppend, checkFill } from "../append-check.ts";
import { requireBankId, requireBatches, requireEpoch, requirePosition, requireSeed } from "../arguments.ts";
import { copyBytes, equalBytes, shortHex } from "../bytes.ts";
import { AppendUnknownError, JournalConflictError, PositionGapError, StaleEpochError, StoreError } from "../errors.ts";
import type {
  AppendOptions,
  JournalStore,
  ReadLimits,
  SnapshotSource,
  StoredBatch,
  StoredSnapshot,
  StoreGap,
  StoreLease,
  StoreState,
} from "../port.ts";
import type { OpenConnection } from "./ask-host.ts";
import { Connection } from "./connection.ts";
import { newToken } from "./lease-row.ts";
import { Opening } from "./opening.ts";
import { notOpen, type Phase, readableSession, writableSession } from "./phase.ts";
import { type PostgresPlace, parsePlace } from "./place.ts";
import { failure, writeFailure } from "./postgres-errors.ts";
import { batchAt, chainHashAt, readBatches } from "./reading.ts";
import { saveInSteps } from "./save-snapshot.ts";
import { copyGap, type Session } from "./session.ts";
import type { CompleteSnapshot } from "./snapshot-rows.ts";
import { retried } from "./under-lease.ts";

/** What a PostgreSQL store is like; all but the URL have defaults. */
export interface PostgresStoreOptions {
  /** `postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE?schema=bank&allow_data_loss=false`: see `parsePlace`. */
  readonly url: string;
  /** Who gave no sign of life for so long may be taken over. Default 2,000. */
  readonly ttlMs?: number;
  /** Between two signs of life. Default a fifth of `ttlMs`. */
  readonly beatMs?: number;
  /** How long this one sees no sign of life of another before it takes over. Default `ttlMs`. */
  readonly takeOverAfterMs?: number;
  /** After which a statement without an answer is in doubt. Default 10,000. */
  readonly deadlineMs?: number;
  /** For tests. */
  readonly openConnection?: OpenConnection;
}

const TTL_MS = 2_000;
const DEADLINE_MS = 10_000;

/**
 * The journal in a PostgreSQL database, which several bank servers reach: one has the lease, and every write names it.
 * `bank-server migrate` makes the tables.
 */
export class PostgresJournalStore implements JournalStore {
  readonly engine = "postgres";
  readonly #place: PostgresPlace;
  readonly #opening: Opening;
  #phase: Phase = { kind: "closed" };
  /** An opening, recovery or closing that is under way: the next waits for it. */
  #turn: Promise<unknown> = Promise.resolve();

  /** Throws: `StoreError` where the URL cannot be read. */
  constructor(options: PostgresStoreOptions) {
    this.#place = parsePlace(options.url);
    const ttlMs = options.ttlMs ?? this.#place.leaseMs ?? TTL_MS;
    this.#opening = new Opening(this.#place, {
      ttlMs,
      beatMs: options.beatMs ?? ttlMs / 5,
      takeOverAfterMs: options.takeOverAfterMs ?? ttlMs,
      deadlineMs: options.deadlineMs ?? DEADLINE_MS,
      openConnection: options.openConnection ?? Connection.open,
    });
  }

  get lease(): StoreLease | undefined {
    const phase = this.#phase;
    if (phase.kind === "closed") return undefined;
    return phase.kind === "dropped" ? phase.lease : phase.session.lease;
  }

  /** What an operator should know of the server's settings, as they were found at the last connecting: loud where money can be lost. */
  get warnings(): readonly string[] {
    return this.#opening.warnings;
  }

  open(): Promise<StoreState> {
    return this.#inTurn(async () => {
      if (this.#phase.kind !== "closed") throw new StoreError(`the store at ${this.#place.name} is open already`);
      try {
        const { session, closedCleanly } = await this.#opening.begin();
        this.#phase = { kind: "open", session };
        return session.state(closedCleanly);
      } catch (error) {
        throw failure(error, `open ${this.#place.name}`);
      }
    });
  }

  async initialize(bankId: Uint8Array): Promise<void> {
    const session = this.#writable();
    requireBankId(bankId);
    await this.#write(session, "write the bank's id", async (connection) => {
      const present = session.bankId;
      if (present === undefined) await session.initialize(connection, bankId);
      else if (!equalBytes(present, bankId))
        throw new JournalConflictError(
          `bank ${shortHex(present)} lives in ${this.#place.name}: bank ${shortHex(bankId)} needs another schema`,
        );
    });
  }

  async fence(epoch: number): Promise<void> {
    const session = this.#writable();
    requireEpoch(epoch);
    await this.#write(session, `fence to epoch ${epoch}`, async (connection) => {
      const present = session.epoch;
      if (epoch < present)
        throw new StaleEpochError(`the store is fenced to epoch ${present}: epoch ${epoch} comes too late`);
      if (epoch > present) await session.fence(connection, epoch);
    });
  }

  async append(batches: readonly StoredBatch[], { epoch }: AppendOptions): Promise<void> {
    const session = this.#writable();
    requireEpoch(epoch);
    requireBatches(batches);
    const what = `append positions ${batches[0]?.firstPosition} to ${batches.at(-1)?.lastPosition}`;
    await this.#write(session, what, async (connection) => {
      const { head, gap, bankId, epoch: fencedEpoch } = session;
      const end = head?.position ?? 0;
      const known = batches.filter(({ firstPosition }) => firstPosition <= end);
      const stored = known.length === 0 ? NONE : await session.rows.journal.counterparts(connection, known, end);
      const storedAt = (firstPosition: number) => stored.get(firstPosition);
      const fresh = checkAppend(batches, epoch, { bankId, fencedEpoch, head, storedAt, gap });
      await session.append(connection, fresh, epoch);
    });
  }

  async read(afterPosition: number, limits?: ReadLimits): Promise<readonly StoredBatch[]> {
    return readBatches(this.#readable(), afterPosition, limits);
  }

  async batchAt(position: number): Promise<StoredBatch | undefined> {
    return batchAt(this.#readable(), position);
  }

  async chainHashAt(position: number): Promise<Uint8Array | undefined> {
    return chainHashAt(this.#readable(), position);
  }

  async saveSnapshot(snapshot: SnapshotSource): Promise<void> {
    const session = this.#writable();
    const { position } = snapshot;
    requirePosition(position);
    if ((await chainHashAt(session, position)) === undefined)
      throw new PositionGapError(`no batch ends at ${position}: a snapshot cannot be of that position`);
    await this.#save(session, snapshot, (complete) =>
      this.#step(session, (connection) => session.rows.snapshots.complete(connection, complete)),
    );
  }

  async seed(snapshot: SnapshotSource, chainHash: Uint8Array): Promise<void> {
    const session = this.#writable();
    const { position } = snapshot;
    requireSeed(position, chainHash, session);
    const upTo = { position, chainHash: copyBytes(chainHash) };
    const after = session.head?.position;
    const requireUnchanged = () => {
      requireSeed(position, chainHash, session);
      if (session.head?.position !== after)
        throw new StoreError("the journal has grown while a snapshot was taken for it to go on from");
    };
    const header = () => {
      requireUnchanged();
      return snapshot.header();
    };
    await this.#save(session, { ...snapshot, header }, async (complete) => {
      this.#requireSame(session);
      await this.#write(session, `begin from the snapshot at ${position}`, async (connection) => {
        requireUnchanged();
        await session.completeSeed(connection, complete, upTo);
      });
    });
  }

  async fill(batches: readonly StoredBatch[]): Promise<void> {
    const session = this.#writable();
    requireBatches(batches);
    const what = `fill positions ${batches[0]?.firstPosition} to ${batches.at(-1)?.lastPosition}`;
    await this.#write(session, what, async (connection) => {
      const { head, gap } = session;
      const stored = await session.rows.journal.counterparts(connection, batches, head?.position ?? 0);
      const fresh = checkFill(batches, gap, (firstPosition) => stored.get(firstPosition));
      await session.fill(connection, fresh);
    });
  }

  async gap(): Promise<StoreGap | undefined> {
    return copyGap(this.#readable().gap);
  }

  async snapshotPositions(): Promise<readonly number[]> {
    const session = this.#readable();
    return session.look("list the snapshots", (connection) => session.rows.snapshots.positions(connection));
  }

  async loadSnapshot(position: number): Promise<StoredSnapshot | undefined> {
    const session = this.#readable();
    requirePosition(position);
    return session.look(LOAD, (connection) => session.rows.snapshots.load(connection, position));
  }

  async snapshotHeader(position: number): Promise<Uint8Array | undefined> {
    const session = this.#readable();
    requirePosition(position);
    return session.look(LOAD, (connection) => session.rows.snapshots.header(connection, position));
  }

  async snapshotPage(position: number, pageNumber: number): Promise<Uint8Array | undefined> {
    const session = this.#readable();
    requirePosition(position);
    requirePosition(pageNumber, 0);
    return session.look(LOAD, (connection) => session.rows.snapshots.page(connection, position, pageNumber));
  }

  recover(): Promise<StoreState> {
    // At once: whoever writes or reads now must not get a connection that is given up in a moment.
    const phase = this.#phase;
    if (phase.kind === "open" || phase.kind === "doubtful") {
      const cause = phase.kind === "doubtful" ? phase.cause : undefined;
      this.#phase = { kind: "dropped", lease: phase.session.lease, token: newToken(), cause };
      phase.session.drop();
    }
    return this.#inTurn(async () => {
      const dropped = this.#phase;
      if (dropped.kind === "closed") throw notOpen(this.#place.name);
      // Somebody else has recovered it meanwhile, which is as good.
      if (dropped.kind !== "dropped") return dropped.session.state(false);
      try {
        const { session, closedCleanly } = await this.#opening.goOn(dropped.lease, dropped.token);
        this.#phase = { kind: "open", session };
        return session.state(closedCleanly);
      } catch (error) {
        throw failure(error, `recover ${this.#place.name}`);
      }
    });
  }

  close(): Promise<void> {
    return this.#inTurn(async () => {
      const phase = this.#phase;
      if (phase.kind === "closed") return;
      this.#phase = { kind: "closed" };
      try {
        if (phase.kind === "dropped") {
          phase.lease.end();
          await this.#opening.release(phase.lease, phase.token);
        } else await this.#end(phase.session, phase.kind === "open");
      } catch (error) {
        // Where the server cannot be told, the lease's time passes, and the store goes on saying that it is in use.
        if (!(failure(error, "close") instanceof StoreError)) throw error;
      }
    });
  }

  async #end({ writing, looking, lease, rows }: Session, cleanly: boolean): Promise<void> {
    const tokens = [lease.token, lease.token] as const;
    lease.end();
    try {
      await writing.use((connection) => rows.lease.release(connection, { tokens, cleanly }));
    } finally {
      await Promise.all([writing.end(), looking.end()]);
    }
  }

  async #save(
    session: Session,
    snapshot: SnapshotSource,
    complete: (snapshot: CompleteSnapshot) => Promise<void>,
  ): Promise<void> {
    if (session.savingSnapshot !== undefined)
      throw new StoreError(`the snapshot at ${session.savingSnapshot} is being saved: save another one after it`);
    session.savingSnapshot = snapshot.position;
    try {
      const look = <T>(read: (connection: Connection) => Promise<T>): Promise<T> => {
        this.#requireSame(session);
        return session.look("save a snapshot", read);
      };
      const step = <T>(write: (connection: Connection) => Promise<T>) => this.#step(session, write);
      await saveInSteps({ rows: session.rows.snapshots, step, look, complete }, snapshot);
    } finally {
      session.savingSnapshot = undefined;
    }
  }

  /** One step of a snapshot: a transaction on the connection for that. */
  async #step<T>(session: Session, write: (connection: Connection) => Promise<T>): Promise<T> {
    this.#requireSame(session);
    const transaction = (connection: Connection) => session.transaction(connection, () => write(connection));
    return this.#attempt(session, "save a snapshot", () =>
      session.looking.use((connection) => retried(() => transaction(connection))),
    );
  }

  /** A write to what the session knows: after those before it, and in view of what they left. */
  #write(session: Session, what: string, work: (connection: Connection) => Promise<void>): Promise<void> {
    return this.#attempt(session, what, () =>
      session.writing.use((connection) => {
        this.#requireSame(session);
        return retried(() => work(connection));
      }),
    );
  }

  /** Does a write of the open phase; one that ends in doubt ends the phase. */
  async #attempt<T>(session: Session, what: string, write: () => Promise<T>): Promise<T> {
    session.lease.requireHeld();
    try {
      return await write();
    } catch (error) {
      const told = writeFailure(error, `${what} in ${this.#place.name}`);
      if (told instanceof AppendUnknownError && this.#phase.kind === "open" && this.#phase.session === session)
        this.#phase = { kind: "doubtful", session, cause: told };
      throw told;
    }
  }

  #readable(): Session {
    return readableSession(this.#phase, this.#place.name);
  }

  #writable(): Session {
    return writableSession(this.#phase, this.#place.name);
  }

  /** Throws, besides what `#writable` throws: `StoreError`. */
  #requireSame(session: Session): void {
    if (this.#writable() !== session)
      throw new StoreError(`the store at ${this.#place.name} was opened anew meanwhile`);
    session.lease.requireHeld();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

const LOAD = "load a snapshot";
const NONE: ReadonlyMap<number, StoredBatch> = new Map();

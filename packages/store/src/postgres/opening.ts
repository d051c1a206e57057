import { type LeaseLostError, StoreError } from "../errors.ts";
import type { OpenConnection } from "./ask-host.ts";
import { Channel, type Connect } from "./channel.ts";
import { HeldLease, type LeaseTimes } from "./held-lease.ts";
import { newToken } from "./lease-row.ts";
import { requireSchema } from "./migrations.ts";
import type { PostgresHost, PostgresPlace } from "./place.ts";
import { findPrimary } from "./primary.ts";
import { Rows } from "./rows.ts";
import { requireSafeSettings } from "./server-settings.ts";
import { type Found, findState, Session } from "./session.ts";
import { retried } from "./under-lease.ts";

export interface OpeningOptions extends LeaseTimes {
  /** So long a contender sees no sign of life before it takes over. */
  readonly takeOverAfterMs: number;
  /** So long an answer of the server is waited for. */
  readonly deadlineMs: number;
  /** For tests another way to make one. */
  readonly openConnection: OpenConnection;
}

export interface Opened {
  readonly session: Session;
  readonly closedCleanly: boolean;
}

/** How sessions of a place begin: by taking the lease, or by going on with it after a doubt. */
export class Opening {
  readonly #place: PostgresPlace;
  readonly #options: OpeningOptions;
  readonly #rows: Rows;
  /** The newest of those that it connected to. Who goes back behind it loses what was written there. */
  #timeline = 0;
  readonly #silent = new Set<PostgresHost>();
  /** What was found at the last connecting. */
  warnings: readonly string[] = [];

  constructor(place: PostgresPlace, options: OpeningOptions) {
    this.#place = place;
    this.#options = options;
    this.#rows = new Rows(place);
  }

  /** Rejects with: what `JournalStore.open` rejects with, and errors of the connection. */
  begin(): Promise<Opened> {
    return this.#withChannel(async (writing) => {
      const token = newToken();
      await writing.use((connection) => requireSchema(connection, this.#place));
      const takenAtMs = await writing.use((connection) =>
        retried(() => this.#rows.lease.take(connection, token, this.#options.takeOverAfterMs)),
      );
      try {
        const found = await this.#find(writing, token);
        if (found === undefined) throw new StoreError(`the lease on ${this.#place.name} was lost while it was taken`);
        return this.#opened(found, this.#hold(token, takenAtMs), writing);
      } catch (error) {
        // So that nobody has to wait for a time to pass. What is wrong here is wrong for the next one too.
        const tokens = [token, token] as const;
        await writing
          .use((connection) => this.#rows.lease.release(connection, { tokens, cleanly: false }))
          .catch(() => undefined);
        throw error;
      }
    });
  }

  /**
   * Fence, then look: puts another token in place of the lease's, for which the server waits until whatever still runs under
   * the old one has ended, and looks at the store then. A lease whose time has passed, but which nobody took, is a new one.
   *
   * Rejects with: `LeaseLostError`; errors of the connection, after which it may be tried again with the same token.
   */
  goOn(lease: HeldLease, token: Buffer): Promise<Opened> {
    return this.#withChannel(async (writing) => {
      const takenAtMs = performance.now();
      const isOurs = await writing.use((connection) =>
        retried(() => this.#rows.lease.replace(connection, { old: lease.token, token })),
      );
      if (!isOurs) throw await this.#takenOver(lease, writing);
      const found = await this.#find(writing, token);
      if (found === undefined) throw await this.#takenOver(lease, writing);
      if (lease.lost.aborted) return this.#opened(found, this.#hold(token, takenAtMs), writing);
      lease.goOn({ token, channel: new Channel(this.#connect), takenAtMs });
      return this.#opened(found, lease, writing);
    });
  }

  /** Gives up a lease that a recovery left with one token or the other. */
  async release(lease: HeldLease, token: Buffer): Promise<void> {
    const channel = new Channel(this.#connect);
    try {
      await channel.use((connection) =>
        this.#rows.lease.release(connection, { tokens: [lease.token, token], cleanly: false }),
      );
    } finally {
      await channel.end();
    }
  }

  async #takenOver(lease: HeldLease, writing: Channel): Promise<LeaseLostError> {
    const holder = await writing.use((connection) => this.#rows.lease.address(connection));
    return lease.lose(`another server${holder === undefined ? "" : ` at ${holder}`} has taken it over`, holder);
  }

  #hold(token: Buffer, takenAtMs: number): HeldLease {
    const channel = new Channel(this.#connect);
    return new HeldLease(this.#place.name, {
      row: this.#rows.lease,
      times: this.#options,
      channel,
      token,
      takenAtMs,
    });
  }

  #opened(found: Found, lease: HeldLease, writing: Channel): Opened {
    const looking = new Channel(this.#connect);
    const session = new Session(found, { name: this.#place.name, lease, rows: this.#rows, writing, looking });
    return { session, closedCleanly: found.closedCleanly };
  }

  #find(writing: Channel, token: Buffer): Promise<Found | undefined> {
    return writing.use((connection) => findState(connection, this.#rows, token));
  }

  async #withChannel(work: (writing: Channel) => Promise<Opened>): Promise<Opened> {
    const writing = new Channel(this.#connect);
    try {
      return await work(writing);
    } catch (error) {
      writing.drop();
      throw error;
    }
  }

  /** Every connection is checked: behind the same name there may be another server by now. */
  readonly #connect: Connect = async () => {
    const found = await findPrimary(this.#place, {
      ...this.#options,
      timelineMin: this.#timeline,
      silent: this.#silent,
    });
    const { connection } = found;
    try {
      this.warnings = await requireSafeSettings(connection, this.#place);
      this.#timeline = Math.max(this.#timeline, found.timeline);
      return connection;
    } catch (error) {
      connection.drop();
      throw error;
    }
  };
}

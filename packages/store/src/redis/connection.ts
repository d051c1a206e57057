import { DisconnectedError, ServerError } from "./redis-errors.ts";
import type { RedisPlace } from "./redis-place.ts";

/** What the server answers: texts and bytes come as bytes. */
export type Reply = Buffer | string | number | null | readonly Reply[];

/** The part of the client library that is used. */
interface Client {
  connect(): Promise<unknown>;
  destroy(): void;
  on(event: string, listener: (error: unknown) => void): unknown;
}
interface Sender {
  sendCommand(args: readonly (string | Buffer)[]): Promise<unknown>;
}

/**
 * One connection, which never connects again by itself and sends no command twice: a command whose answer did not come may
 * have been carried out, and it is for the store to find out.
 */
export class Connection {
  /** Resolves when it has ended, however that came. */
  readonly closed: Promise<void>;
  readonly #client: Client;
  readonly #sender: Sender;
  readonly #isServerError: (error: unknown) => boolean;
  readonly #place: RedisPlace;
  readonly #timeoutMs: number;
  #isClosed = false;
  #ended: () => void;
  #problem = "the connection to the server has ended";

  /**
   * @param timeoutMs for connecting, and for each answer: who does not answer for so long is taken to be gone.
   * Rejects with: `DisconnectedError`, `ServerError`.
   */
  static async open(place: RedisPlace, { timeoutMs }: { readonly timeoutMs: number }): Promise<Connection> {
    // Here and not above: a bank with another store does not load it.
    const { ErrorReply, RedisClient, RESP_TYPES } = await import("@redis/client");
    const { host, port } = place;
    const shared = { host, port, connectTimeout: timeoutMs, reconnectStrategy: false as const, keepAlive: true };
    const options = {
      socket: place.tls ? { ...shared, tls: true as const } : shared,
      database: place.database,
      ...(place.username === undefined ? {} : { username: place.username }),
      ...(place.password === undefined ? {} : { password: place.password }),
      RESP: 2 as const,
      disableOfflineQueue: true,
      disableClientInfo: true,
      maintNotifications: "disabled" as const,
    };
    // `createClient` would make a class with all commands for each other host or timeout, which takes 20 to 50 ms.
    const client = RedisClient.factory({ RESP: 2 })(options);
    const connection = new Connection(place, timeoutMs, {
      client,
      sender: client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }),
      isServerError: (error) => error instanceof ErrorReply,
    });
    try {
      // The library waits for ever for who takes a connection, and then does not answer to user and password.
      await connection.#inTime(() => client.connect());
    } catch (error) {
      connection.close();
      throw error;
    }
    return connection;
  }

  private constructor(
    place: RedisPlace,
    timeoutMs: number,
    library: {
      readonly client: Client;
      readonly sender: Sender;
      readonly isServerError: (error: unknown) => boolean;
    },
  ) {
    this.#place = place;
    this.#timeoutMs = timeoutMs;
    this.#client = library.client;
    this.#sender = library.sender;
    this.#isServerError = library.isServerError;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#ended = resolve;
    const onEnd = (error: unknown) => {
      if (error instanceof Error) this.#problem = error.message;
      this.close();
    };
    library.client.on("error", onEnd);
    library.client.on("end", onEnd);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Sends one command. Rejects with: `ServerError`; `DisconnectedError` when no answer came. */
  async call(args: readonly (string | Buffer)[]): Promise<Reply> {
    if (this.#isClosed) throw new DisconnectedError(`${this.#place.name}: ${this.#problem}`);
    return (await this.#inTime(() => this.#sender.sendCommand(args))) as Reply;
  }

  /** Ends it at once; commands that wait for an answer reject. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      this.#client.destroy();
    } catch {
      // The library has no socket any more: that is what is wanted.
    }
    this.#ended();
  }

  /** Ends the connection where no answer comes in time. Rejects as `call`. */
  async #inTime<T>(ask: () => Promise<T>): Promise<T> {
    const timer = setTimeout(() => {
      this.#problem = `the server has not answered for ${this.#timeoutMs} ms`;
      this.close();
    }, this.#timeoutMs);
    try {
      return await ask();
    } catch (error) {
      throw this.#translated(error);
    } finally {
      clearTimeout(timer);
    }
  }

  #translated(error: unknown): ServerError | DisconnectedError {
    const problem = error instanceof Error ? error.message : String(error);
    if (this.#isServerError(error)) return new ServerError(problem, { cause: error });
    const why = this.#isClosed ? this.#problem : problem;
    return new DisconnectedError(`${this.#place.name}: ${why || problem || "not reachable"}`, { cause: error });
  }
}

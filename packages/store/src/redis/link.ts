import { Connection, type Reply } from "./connection.ts";
import { type FunctionName, LIBRARY, serverName } from "./library.ts";
import { DisconnectedError, lacksLibrary, ServerError } from "./redis-errors.ts";
import type { RedisPlace } from "./redis-place.ts";
import { checkServer, type TrustedServer } from "./settings.ts";

const RETRY_MIN_MS = 20;
const RETRY_MAX_MS = 500;

interface LinkOptions {
  readonly timeoutMs: number;
  readonly onWarnings: (warnings: readonly string[]) => void;
  /** Which server was found safe before; kept for the next link. */
  readonly trusted: TrustedServer;
}

/**
 * The way to the server: a connection, and when that ends another, each checked before it is used. What was on its way when
 * one ended fails, and is never sent again.
 */
export class Link {
  readonly #place: RedisPlace;
  readonly #timeoutMs: number;
  readonly #onWarnings: (warnings: readonly string[]) => void;
  readonly #trusted: TrustedServer;
  #connection: Connection | undefined;
  #isClosed = false;
  /** Why there is no connection. */
  #problem: unknown;

  /** Rejects with: what `Connection.open` rejects with; `UnsafeSettingsError`; `StoreError`. */
  static async open(place: RedisPlace, options: LinkOptions): Promise<Link> {
    const link = new Link(place, options);
    await link.#connect();
    return link;
  }

  private constructor(place: RedisPlace, options: LinkOptions) {
    this.#place = place;
    this.#timeoutMs = options.timeoutMs;
    this.#onWarnings = options.onWarnings;
    this.#trusted = options.trusted;
  }

  /** Sends one command. Rejects with: `ServerError`; `DisconnectedError`. */
  async call(args: readonly (string | Buffer)[]): Promise<Reply> {
    const connection = this.#connection;
    if (connection !== undefined) return connection.call(args);
    const why = this.#problem instanceof Error ? `: ${this.#problem.message}` : "";
    throw new DisconnectedError(`there is no connection to ${this.#place.name}${why}`, { cause: this.#problem });
  }

  /** Calls a function of the library, which is loaded where the server lacks it: it refuses the call as a whole then. */
  async run(name: FunctionName, key: string, args: readonly (string | Buffer)[]): Promise<Reply> {
    const command = [name === "read" ? "FCALL_RO" : "FCALL", serverName(name), "1", key, ...args];
    try {
      return await this.call(command);
    } catch (error) {
      if (!lacksLibrary(error)) throw error;
      await loadLibrary(this);
      return this.call(command);
    }
  }

  /** Ends the connection at once; what waits for an answer rejects. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#connection?.close();
    this.#connection = undefined;
  }

  async #connect(): Promise<void> {
    const connection = await Connection.open(this.#place, { timeoutMs: this.#timeoutMs });
    try {
      this.#onWarnings(await checkServer(connection, this.#place, this.#trusted));
    } catch (error) {
      connection.close();
      throw error;
    }
    if (this.#isClosed) return connection.close();
    this.#connection = connection;
    this.#problem = undefined;
    void connection.closed.then(() => {
      if (this.#connection !== connection) return;
      this.#connection = undefined;
      void this.#connectAgain();
    });
  }

  async #connectAgain(): Promise<void> {
    for (let waitMs = RETRY_MIN_MS; !this.#isClosed; waitMs = Math.min(2 * waitMs, RETRY_MAX_MS)) {
      try {
        return await this.#connect();
      } catch (error) {
        this.#problem = error;
        await new Promise<void>((resolve) => {
          setTimeout(resolve, waitMs).unref();
        });
      }
    }
  }
}

/** That it is there already is all right: another library would have another name. */
async function loadLibrary(server: Link): Promise<void> {
  try {
    await server.call(["FUNCTION", "LOAD", LIBRARY]);
  } catch (error) {
    const isThere = error instanceof ServerError && /already exists/.test(error.message);
    if (!isThere) throw error;
  }
}

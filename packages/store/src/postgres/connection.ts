import { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client, CustomTypesConfig, QueryArrayConfig } from "pg";
import type { Row, Value } from "./columns.ts";
import type { PostgresHost } from "./place.ts";
import { CommitWarningError, ConnectionLostError, isServerError, NotSentError, saying } from "./postgres-errors.ts";

export interface Statement {
  /** It is prepared under this name, once for each connection. */
  readonly name: string;
  readonly text: string;
}

/** A parameter: buffers go as bytes. */
export type Parameter = string | number | boolean | null | Buffer;

/** How a connection is made. */
export interface ConnectionOptions {
  /** So long an answer is waited for. */
  readonly deadlineMs: number;
  /** So long the connecting may take. */
  readonly connectTimeoutMs: number;
}

const BYTEA = 17;
/** Keepalives begin once nothing was sent for so long. */
const KEEPALIVE_MS = 5_000;
const GOODBYE_MS = 500;

/**
 * A statement is never cancelled by the server for taking long: a commit that is cancelled while it waits for a standby is
 * neither stored nor not stored. Waiting for a lock is another matter: nothing was stored yet.
 *
 * A session of which nothing is heard in the middle of a transaction is ended: its process may stand still, or its machine be
 * gone, and until then nobody could take over, for it holds the lease's row.
 */
function settings(deadlineMs: number): string {
  const [lockMs, idleMs] = [Math.ceil(deadlineMs / 2), Math.ceil(deadlineMs / 5)];
  const times = { statement_timeout: 0, lock_timeout: lockMs, idle_in_transaction_session_timeout: idleMs };
  const set = Object.entries(times).map(([name, ms]) => `SET ${name} = ${ms}; `);
  return `${set.join("")}SET bytea_output = 'hex'`;
}

const AS_IT_COMES = {
  getTypeParser: (type: number) => (type === BYTEA ? parseBytea : asText),
} as unknown as CustomTypesConfig;

/** One connection to the server. Once it broke, or an answer did not come in time, it is of no more use. */
export class Connection {
  readonly #client: Client;
  readonly #socket: Socket;
  readonly #deadlineMs: number;
  #brokenBy: unknown;
  /** The last warning that the server sent while a statement ran. */
  #warning: string | undefined;

  private constructor(client: Client, socket: Socket, deadlineMs: number) {
    this.#client = client;
    this.#socket = socket;
    this.#deadlineMs = deadlineMs;
    client.on("error", (error) => this.drop(error));
    client.on("end", () => this.drop(new Error("the connection ended")));
    client.on("notice", ({ code, message }) => {
      // Class 01 are warnings, 57P01 one that comes with a shutdown. Texts are in the server's language.
      if (code?.startsWith("01") || code?.startsWith("57")) this.#warning = `${message} (${code})`;
    });
  }

  /** Rejects with: `NotSentError`. */
  static async open(host: PostgresHost, { deadlineMs, connectTimeoutMs }: ConnectionOptions): Promise<Connection> {
    // Loaded here, so that a bank on another engine does without.
    const { Client: PostgresClient } = await import("pg");
    const socket = new Socket();
    try {
      const client = new PostgresClient({
        connectionString: host.connectionString,
        application_name: "bank-server",
        keepAlive: true,
        keepAliveInitialDelayMillis: KEEPALIVE_MS,
        connectionTimeoutMillis: connectTimeoutMs,
        stream: () => socket,
      });
      const connection = new Connection(client, socket, deadlineMs);
      await client.connect();
      socket.setNoDelay(true);
      await connection.run(settings(deadlineMs));
      return connection;
    } catch (error) {
      socket.destroy();
      throw new NotSentError(`cannot connect to ${host.name}: ${saying(error)}`, { cause: error });
    }
  }

  get isBroken(): boolean {
    return this.#brokenBy !== undefined;
  }

  /**
   * The rows that the server answers with.
   * Rejects with: what the server says of it; `ConnectionLostError`; `NotSentError` on a connection that is broken already.
   */
  query(statement: Statement, values: readonly Parameter[] = []): Promise<readonly Row[]> {
    const config: QueryArrayConfig<Parameter[]> = {
      name: statement.name,
      text: statement.text,
      values: [...values],
      rowMode: "array",
      types: AS_IT_COMES,
    };
    return this.#answer(async () => (await this.#client.query<Value[], Parameter[]>(config)).rows);
  }

  /** As `query`, for what commits. Rejects with, besides: `CommitWarningError`. */
  async commit(statement: Statement, values: readonly Parameter[] = []): Promise<readonly Row[]> {
    this.#warning = undefined;
    const rows = await this.query(statement, values);
    // "canceled wait for synchronous replication": committed here, and perhaps not where it must be.
    if (this.#warning !== undefined) throw new CommitWarningError(`the server warned: ${this.#warning}`);
    return rows;
  }

  /** Statements without parameters, and no rows. Rejects as `query`. */
  async run(text: string): Promise<void> {
    await this.#answer(() => this.#client.query(text));
  }

  /** Ends it at once. What was sent may still be done by the server. */
  drop(cause: unknown = new Error("the connection was given up")): void {
    this.#brokenBy ??= cause;
    this.#socket.destroy();
  }

  /** Ends it with a word. What was sent before is answered first. */
  async end(): Promise<void> {
    if (this.isBroken) return;
    this.#brokenBy = new Error("the connection was closed");
    await Promise.race([this.#client.end().catch(() => undefined), sleep(GOODBYE_MS, undefined, { ref: false })]);
    this.#socket.destroy();
  }

  async #answer<T>(ask: () => Promise<T>): Promise<T> {
    if (this.isBroken) throw new NotSentError(saying(this.#brokenBy), { cause: this.#brokenBy });
    let timer: NodeJS.Timeout | undefined;
    try {
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(
          () => reject(new ConnectionLostError(`no answer within ${this.#deadlineMs} ms`)),
          this.#deadlineMs,
        );
      });
      return await Promise.race([ask(), late]);
    } catch (error) {
      if (isServerError(error)) throw error;
      this.drop(error);
      throw error instanceof ConnectionLostError ? error : new ConnectionLostError(saying(error), { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }
}

function asText(text: string): string {
  return text;
}

/** Bytes in memory of their own. */
function parseBytea(text: string): Uint8Array {
  const bytes = new Uint8Array((text.length - 2) / 2);
  Buffer.from(bytes.buffer).write(text.slice(2), "hex");
  return bytes;
}

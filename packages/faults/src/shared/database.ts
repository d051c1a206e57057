import { migrate } from "@bank/store";
import { findPostgresPrograms, PostgresServer } from "@bank/store/testing";
import type { Fault } from "@bank/testkit";

/** The database that bank servers share. */
export interface Database {
  /** Where bank servers find it, with all its hosts; each of them is reached by way of a proxy. Its tables are there. */
  readonly url: string;
  /**
   * What can go wrong with it. Each ends when it takes connections again: from then on writes are expected.
   * Their names begin with `database:`.
   */
  faults(): readonly Fault[];
  /** Idempotent. */
  stop(): Promise<void>;
}

/** What is needed that is not here, and how it comes here. */
export class NoPostgresError extends Error {
  override readonly name = "NoPostgresError";

  constructor() {
    super(
      "These runs start a PostgreSQL server of their own, and there is none here: initdb is neither in PATH nor in " +
        "/usr/lib/postgresql/*/bin. Debian has it in the package postgresql.",
    );
  }
}

/** One PostgreSQL server on this machine, with a new data folder. Whoever starts one must `stop` it. */
export class LocalDatabase implements Database {
  readonly url: string;
  private readonly server: PostgresServer;

  private constructor(server: PostgresServer) {
    this.server = server;
    this.url = server.url("bank");
  }

  /** Whether this machine has its programs. */
  static get isHere(): boolean {
    return findPostgresPrograms() !== undefined;
  }

  /** Rejects with `NoPostgresError`. */
  static async start(): Promise<LocalDatabase> {
    const programs = findPostgresPrograms();
    if (programs === undefined) throw new NoPostgresError();
    const database = new LocalDatabase(await PostgresServer.start(programs));
    try {
      await migrate(database.url);
      return database;
    } catch (error) {
      await database.stop();
      throw error;
    }
  }

  faults(): readonly Fault[] {
    const { server } = this;
    const group = "the database";
    return [
      { name: "database: kill", group, begin: () => server.kill(), end: () => server.start() },
      { name: "database: shut down", group, begin: () => server.shutDown(), end: () => server.start() },
      { name: "database: pause", group, begin: () => server.pause(), end: () => server.goOn() },
    ];
  }

  stop(): Promise<void> {
    return this.server.stop();
  }
}

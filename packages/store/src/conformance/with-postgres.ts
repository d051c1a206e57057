import { afterAll, beforeAll } from "vitest";
import { findPostgresPrograms } from "../testing/postgres-programs.ts";
import { PostgresServer } from "../testing/postgres-server.ts";
import { describeWhereInstalled } from "./where-installed.ts";

/** Tests that share one server. Where this machine has none they are skipped, which their name says; in CI that is a failure. */
export function describeWithPostgres(name: string, define: (server: () => PostgresServer) => void): void {
  describeWherePostgresIs(name, (programs) => {
    let server: PostgresServer | undefined;
    beforeAll(async () => {
      server = await PostgresServer.start(programs);
    });
    afterAll(async () => server?.stop());
    define(() => {
      if (server === undefined) throw new Error("the server is not started yet");
      return server;
    });
  });
}

/** The same for tests that start their servers themselves, with the programs in this folder. */
export function describeWherePostgresIs(name: string, define: (programs: string) => void): void {
  const programs = findPostgresPrograms();
  const missing = "there is no PostgreSQL server here: initdb is neither in PATH nor in /usr/lib/postgresql/*/bin";
  describeWhereInstalled(name, programs === undefined ? missing : undefined, () => define(programs ?? ""));
}

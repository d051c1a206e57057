import { afterAll, beforeAll, describe } from "vitest";
import { findPostgresPrograms, PostgresServer } from "../testing/postgres-server.ts";

/** Tests that share one server. Where this machine has none they are skipped, which their name says; in CI that is a failure. */
export function describeWithPostgres(name: string, define: (server: () => PostgresServer) => void): void {
  const programs = findPostgresPrograms();
  if (programs === undefined) {
    const why = "there is no PostgreSQL server here: initdb is neither in PATH nor in /usr/lib/postgresql/*/bin";
    if (!["", "0", "false"].includes(process.env["CI"] ?? "")) throw new Error(why);
    describe.skip(`${name} (SKIPPED: ${why})`, () => define(() => never(why)));
    return;
  }
  describe(name, () => {
    let server: PostgresServer | undefined;
    beforeAll(async () => {
      server = await PostgresServer.start(programs);
    });
    afterAll(async () => server?.stop());
    define(() => server ?? never("the server is not started yet"));
  });
}

function never(why: string): never {
  throw new Error(why);
}

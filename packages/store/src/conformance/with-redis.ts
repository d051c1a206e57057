import { afterAll, beforeAll, describe, it } from "vitest";
import { isRedisInstalled, REDIS_PROGRAM, RedisServer } from "../testing/redis-server.ts";

/**
 * Tests that need a server, which is started before them. Where there is none to be had they are skipped, and their name says
 * why; in CI they fail instead.
 */
export function describeWithRedis(name: string, define: (server: RedisServer) => void): void {
  if (isRedisInstalled()) {
    describe(name, () => {
      const server = new RedisServer();
      beforeAll(() => server.start());
      afterAll(() => server.remove());
      define(server);
    });
  } else if (!["", "0", "false"].includes(process.env["CI"] ?? "")) {
    it(`${name}: needs ${REDIS_PROGRAM}`, () => {
      throw new Error(`${REDIS_PROGRAM} is not on the PATH, and in CI nothing is skipped: install it`);
    });
  } else describe.skip(`${name} (SKIPPED: ${REDIS_PROGRAM} is not on the PATH)`, () => define(new RedisServer()));
}

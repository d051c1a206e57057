import { afterAll, beforeAll } from "vitest";
import { isRedisInstalled, REDIS_PROGRAM, RedisServer } from "../testing/redis-server.ts";
import { describeWhereInstalled } from "./where-installed.ts";

/** Tests that share one server. Where this machine has none they are skipped, which their name says; in CI that is a failure. */
export function describeWithRedis(name: string, define: (server: RedisServer) => void): void {
  const missing = isRedisInstalled() ? undefined : `${REDIS_PROGRAM} is not on the PATH`;
  describeWhereInstalled(name, missing, () => {
    const server = new RedisServer();
    beforeAll(() => server.start());
    afterAll(() => server.remove());
    define(server);
  });
}

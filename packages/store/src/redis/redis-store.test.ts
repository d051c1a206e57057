import { describeJournalStore } from "../conformance/index.ts";
import { describeWithRedis } from "../conformance/with-redis.ts";
import { LeapingClock } from "./lease-clock.test-util.ts";
import { RedisJournalStore } from "./redis-store.ts";

/** Long enough for a test that computes for a while, on a machine that has other things to do. */
const TTL_MS = 2_000;

describeWithRedis("on Redis", (server) => {
  describeJournalStore("redis", async () => {
    const url = server.newUrl();
    let isAbandoned = false;
    return {
      connect: () => {
        const clock = new LeapingClock();
        const store = new RedisJournalStore({ url, ttlMs: TTL_MS, clock });
        if (isAbandoned) clock.leapOverNextWait();
        isAbandoned = false;
        return store;
      },
      abandon: async (store) => {
        isAbandoned = true;
        (store as RedisJournalStore).abandon();
      },
      dispose: async () => {
        await server.command("FLUSHALL");
      },
    };
  });
});

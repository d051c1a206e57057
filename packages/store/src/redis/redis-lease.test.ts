import { expect, it } from "vitest";
import { Chain } from "../conformance/chain.ts";
import { readAll } from "../conformance/fixture.ts";
import { describeWithRedis } from "../conformance/with-redis.ts";
import { LeaseLostError, StoreLockedError } from "../errors.ts";
import type { AccountRow } from "../port.ts";
import { LeapingClock, StoppedClock } from "./lease-clock.test-util.ts";
import type { RedisJournalStore } from "./redis-store.ts";
import { connectStore, keyOf, openBank } from "./stores.test-util.ts";

const EPOCH = { epoch: 1 };
const TTL_MS = 2_000;
const BEAT_MS = TTL_MS / 5;

describeWithRedis("the lease", (server) => {
  it("is the holder's as long as it lives, and tells others where that is", async () => {
    const url = server.newUrl();
    const store = await openBank({ url, ttlMs: TTL_MS });
    await store.lease?.announce("http://10.0.0.1:4000");
    const error: unknown = await connectStore({ url, ttlMs: TTL_MS })
      .open()
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StoreLockedError);
    expect((error as StoreLockedError).holder).toBe("http://10.0.0.1:4000");
    await new Promise((resolve) => setTimeout(resolve, 3 * BEAT_MS));
    expect(store.lease?.lost.aborted).toBe(false);
    await store.recover();
    expect((await server.hash(keyOf(url, "meta")))["address"]).toBe("http://10.0.0.1:4000");
    await store.append([new Chain().next()], EPOCH);
  });

  it("passes at once from one that closed, and after its time from one that died", async () => {
    const url = server.newUrl();
    const first = await openBank({ url, ttlMs: TTL_MS });
    await first.close();
    let fromMs = performance.now();
    const second = connectStore({ url, ttlMs: TTL_MS });
    await second.open();
    expect(performance.now() - fromMs).toBeLessThan(TTL_MS);
    second.abandon();
    fromMs = performance.now();
    const third = connectStore({ url, ttlMs: TTL_MS });
    await third.open();
    expect(performance.now() - fromMs).toBeGreaterThanOrEqual(TTL_MS);
    expect(second.lease).toBeUndefined();
  });

  it("goes to one of several who wait for the end of a dead one", async () => {
    const url = server.newUrl();
    (await openBank({ url, ttlMs: TTL_MS })).abandon();
    const waiting = [1, 2, 3].map(() => impatient(url));
    const ends = await Promise.allSettled(waiting.map((store) => store.open()));
    expect(ends.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const end of ends) if (end.status === "rejected") expect(end.reason).toBeInstanceOf(StoreLockedError);
  });

  it("is fenced: a holder that was paused, and replaced, writes nothing whatever it tries", async () => {
    const url = server.newUrl();
    const chain = new Chain();
    const clock = new StoppedClock();
    const paused = await openBank({ url, ttlMs: TTL_MS, clock }, chain.growBy(2));
    clock.stop();
    const next = impatient(url);
    expect((await next.open()).head?.position).toBe(2);
    // It has the same epoch, position and hash; by its own clock no time has passed, so it does try.
    expect(paused.lease?.lost.aborted).toBe(false);
    const row: AccountRow = { number: "1", terms: { type: "checking" }, posted: 5n, held: 0n, version: 1n };
    const tries = [
      () => paused.append([chain.next()], { ...EPOCH, accounts: () => [row] }),
      () => paused.fence(7),
      () => paused.saveSnapshot({ position: 2, pages: [Uint8Array.of(1)], header: () => Uint8Array.of(1) }),
      () => paused.replaceAccounts?.(2, [row]),
      () => paused.lease!.confirm(),
      () => paused.lease!.announce("http://10.0.0.1:4000"),
      () => paused.recover(),
    ];
    const before = await everything(url);
    for (const [i, write] of tries.entries()) await expect(write(), `try ${i}`).rejects.toThrow(LeaseLostError);
    expect(await everything(url)).toEqual(before);
    await next.append([chain.grow()], EPOCH);
    expect(await readAll(next)).toEqual(chain.batches);
    // Its end takes nothing away from the next one either.
    await paused.close();
    await next.append([chain.grow()], EPOCH);
  });

  it("is given up by a holder that got no answer for its time, before others may take it", async () => {
    const url = server.newUrl();
    const chain = new Chain();
    const store = await openBank({ url, ttlMs: TTL_MS }, chain.growBy(2));
    server.signal("SIGSTOP");
    const fromMs = performance.now();
    try {
      await new Promise((resolve) => store.lease?.lost.addEventListener("abort", resolve));
    } finally {
      server.signal("SIGCONT");
    }
    expect(performance.now() - fromMs).toBeLessThanOrEqual(TTL_MS);
    expect(store.lease?.lost.reason).toBeInstanceOf(LeaseLostError);
    const batch = chain.grow();
    await expect(store.append([batch], EPOCH)).rejects.toThrow(LeaseLostError);
    await expect(store.lease!.confirm()).rejects.toThrow(LeaseLostError);
    // Nobody took it: who recovers has it again.
    await store.recover();
    expect(store.lease?.lost.aborted).toBe(false);
    await store.append([batch], EPOCH);
  });

  it("is given back, and all was written, also by one that had given it up because it got no answer", async () => {
    const url = server.newUrl();
    const clock = new LeapingClock();
    const store = await openBank({ url, ttlMs: TTL_MS, clock });
    clock.leap();
    await expect(store.fence(2)).rejects.toThrow(LeaseLostError);
    await store.close();
    expect((await connectStore({ url, ttlMs: TTL_MS }).open()).closedCleanly).toBe(true);
  });

  it("is confirmed by a write that began after the question, one for all who ask meanwhile", async () => {
    const url = server.newUrl();
    const clock = new StoppedClock();
    const store = await openBank({ url, clock });
    clock.stop();
    const beats = async () => Number((await server.hash(keyOf(url, "meta")))["beat"]);
    const before = await beats();
    // The first begins at once; all others share the one behind it.
    await Promise.all(Array.from({ length: 50 }, () => store.lease!.confirm()));
    expect((await beats()) - before).toBe(2);
    await store.lease!.confirm();
    expect((await beats()) - before).toBe(3);
  });

  it("is not confirmed where another has it", async () => {
    const url = server.newUrl();
    const clock = new StoppedClock();
    const paused = await openBank({ url, ttlMs: TTL_MS, clock });
    clock.stop();
    await impatient(url).open();
    const asked = [paused.lease!.confirm(), paused.lease!.confirm()];
    for (const answer of await Promise.allSettled(asked)) expect(answer.status).toBe("rejected");
    expect(paused.lease?.lost.aborted).toBe(true);
  });

  /** One for whom the time of a holder that gives no sign of life is over at once. */
  function impatient(url: string): RedisJournalStore {
    const clock = new LeapingClock();
    clock.leapOverNextWait();
    return connectStore({ url, ttlMs: TTL_MS, clock });
  }

  /** What of the bank nothing but its holder changes. */
  async function everything(url: string): Promise<unknown> {
    const { beat: _, ...meta } = await server.hash(keyOf(url, "meta"));
    const keys = ((await server.command("KEYS", keyOf(url, "*").replace(/[[\]]/g, "?"))) as Buffer[]).map(String);
    return { meta, keys: keys.sort(), journal: await server.command("XLEN", keyOf(url, "journal")) };
  }
});

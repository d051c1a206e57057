import { expect, it, onTestFinished } from "vitest";
import { Chain } from "../conformance/chain.ts";
import { readAll } from "../conformance/fixture.ts";
import { describeWithRedis } from "../conformance/with-redis.ts";
import { AppendRefusedError, AppendUnknownError, LeaseLostError, StoreError } from "../errors.ts";
import { RedisServer } from "../testing/redis-server.ts";
import { CuttingProxy } from "./cutting-proxy.test-util.ts";
import type { RedisJournalStore } from "./redis-store.ts";
import { connectStore, keyOf, openBank, untilDone } from "./stores.test-util.ts";

const EPOCH = { epoch: 1 };
const APPEND = "bank_append_";

describeWithRedis("a store whose connection or server fails", (server) => {
  it.each([
    { how: "cut the command", isStored: false },
    { how: "cut the reply", isStored: true },
  ] as const)("is in doubt when they $how of an append, and settles it with the same append again", async (cut) => {
    const proxy = await CuttingProxy.start(server.port);
    const chain = new Chain();
    const store = await openBank({ url: server.newUrl("", proxy.port) }, chain.growBy(2));
    const happened = proxy.cutNext(cut.how, APPEND);
    const batch = chain.grow({ records: 3 });
    await expect(store.append([batch], EPOCH)).rejects.toThrow(AppendUnknownError);
    await happened;
    // Until it is settled nothing else is written, whatever it would be refused for otherwise.
    await expect(store.append([{ ...batch, firstPosition: 90, lastPosition: 95 }], EPOCH)).rejects.toThrow(
      AppendUnknownError,
    );
    await expect(store.append([batch], EPOCH)).rejects.toThrow(AppendUnknownError);
    await expect(store.fence(2)).rejects.toThrow(AppendUnknownError);
    const { head } = await store.recover();
    expect(head?.position).toBe(cut.isStored ? 5 : 2);
    await store.append([batch], EPOCH);
    await store.append([chain.grow()], EPOCH);
    expect(await readAll(store)).toEqual(chain.batches);
  });

  it("is in doubt of those too that waited behind an append in doubt, and stores them again in order", async () => {
    const proxy = await CuttingProxy.start(server.port);
    const chain = new Chain();
    const store = await openBank({ url: server.newUrl("", proxy.port) }, chain.growBy(2));
    void proxy.cutNext("cut the command", APPEND);
    const batches = chain.growBy(3);
    const ends = await Promise.allSettled(batches.map((batch) => store.append([batch], EPOCH)));
    for (const end of ends) expect(end.status === "rejected" && end.reason).toBeInstanceOf(AppendUnknownError);
    await store.recover();
    await Promise.all(batches.map((batch) => store.append([batch], EPOCH)));
    expect(await readAll(store)).toEqual(chain.batches);
  });

  it("excludes an append that reaches the server only after the recovery", async () => {
    const proxy = await CuttingProxy.start(server.port);
    const chain = new Chain();
    const store = await openBank({ url: server.newUrl("", proxy.port) }, chain.growBy(2));
    const happened = proxy.cutNext("hold the command", APPEND);
    const late = chain.next({ variant: 1 });
    await expect(store.append([late], EPOCH)).rejects.toThrow(AppendUnknownError);
    await happened;
    expect((await store.recover()).head?.position).toBe(2);
    proxy.letGo();
    await new Promise((resolve) => setTimeout(resolve, 50));
    // It would fit: only the token tells it apart.
    expect((await store.recover()).head?.position).toBe(2);
    await store.append([chain.grow()], EPOCH);
    expect(await readAll(store)).toEqual(chain.batches);
  });

  it("connects again by itself where nothing was on its way, and says that it may be in doubt before that", async () => {
    const proxy = await CuttingProxy.start(server.port);
    const chain = new Chain();
    const store = await openBank({ url: server.newUrl("", proxy.port) }, chain.growBy(2));
    proxy.goAway();
    await expect.poll(() => store.read(0).catch((error: unknown) => error)).toBeInstanceOf(StoreError);
    await expect(store.recover()).rejects.toThrow(StoreError);
    proxy.goOn();
    await store.recover();
    proxy.goAway();
    proxy.goOn();
    await expect.poll(() => store.read(0).catch(() => [])).toEqual(chain.batches);
    await store.lease?.confirm();
    await store.append([chain.grow()], EPOCH);
    expect(await readAll(store)).toEqual(chain.batches);
  });

  it("says as a store does that it could not look for pages of a snapshot", async () => {
    const proxy = await CuttingProxy.start(server.port);
    const store = await openBank({ url: server.newUrl("", proxy.port) }, new Chain().growBy(2));
    const pages = (function* () {
      proxy.goAway();
      yield { hash: new Uint8Array(32), isProven: true, bytes: () => Uint8Array.of(1) };
    })();
    const saved: unknown = await store
      .saveSnapshot({ position: 2, pages, header: () => Uint8Array.of(1) })
      .catch((thrown: unknown) => thrown);
    expect(saved).toBeInstanceOf(StoreError);
    expect(String(saved)).toMatch(/cannot save a snapshot/);
  });

  it("waits out a server that is gone for a while, and goes on with the same lease or a new one", async () => {
    const chain = new Chain();
    const store = await openBank({ url: server.newUrl(), ttlMs: 1_000 }, chain.growBy(2));
    await server.kill();
    const batch = chain.grow();
    await expect(store.append([batch], EPOCH)).rejects.toThrow(AppendUnknownError);
    await expect(store.recover()).rejects.toThrow(StoreError);
    // Meanwhile a write is in doubt; a look only failed.
    await expect(store.append([batch], EPOCH)).rejects.toThrow(AppendUnknownError);
    await expect(store.read(0)).rejects.toMatchObject({ name: "StoreError" });
    const { lease } = store;
    await expect.poll(() => lease?.lost.aborted).toBe(true);
    expect(lease?.lost.reason).toBeInstanceOf(LeaseLostError);
    const back = server.start();
    await untilDone(() => store.recover());
    await back;
    expect(store.lease?.lost.aborted).toBe(false);
    await store.append([batch], EPOCH);
    expect(await readAll(store)).toEqual(chain.batches);
  });

  it("loses nothing that was acknowledged to servers killed in the middle of appends", async () => {
    const chain = new Chain();
    const store = await openBank({ url: server.newUrl() });
    let doubts = 0;
    for (let kills = 0; kills < 3; kills++) {
      const killed = new Promise((resolve) => setTimeout(resolve, 30 + 25 * kills)).then(() => server.kill());
      let restarted: Promise<void> | undefined;
      while (restarted === undefined) {
        const batches = chain.growBy(1 + (chain.batches.length % 3), { records: 2, frameBytes: 3_000 });
        try {
          await store.append(batches, EPOCH);
        } catch (error) {
          expect(error).toBeInstanceOf(AppendUnknownError);
          doubts++;
          restarted = killed.then(() => server.start());
          await untilDone(() => store.recover());
          await store.append(batches, EPOCH);
        }
      }
      await restarted;
    }
    expect(doubts).toBe(3);
    expect(chain.batches.length).toBeGreaterThan(6);
    expect(await readAll(store)).toEqual(chain.batches);
    expect((await store.recover()).head?.position).toBe(chain.end);
  });

  it("recovers from a server whose disk was full in the middle of an append", async () => {
    const chain = new Chain();
    const written = /aof_current_size:([0-9]+)/.exec(String(await server.command("INFO", "persistence")))?.[1];
    await server.kill();
    // So many blocks of 512 bytes may its file have: the write beyond them is torn, and ends it.
    await server.start({ fileBlocksMax: Math.ceil(Number(written) / 512) + 1_000 });
    const store = await openBank({ url: server.newUrl() });
    const endless = async () => {
      for (;;) await store.append([chain.grow({ frameBytes: 90_000 })], EPOCH);
    };
    await expect(endless()).rejects.toThrow(AppendUnknownError);
    expect(chain.batches.length).toBeGreaterThan(3);
    await server.kill();
    await server.start();
    const { head } = await store.recover();
    expect(head?.position).toBeGreaterThanOrEqual(chain.end - 1);
    await store.append(chain.batches.slice(-1), EPOCH);
    await store.append([chain.grow()], EPOCH);
    expect(await readAll(store)).toEqual(chain.batches);
  });
});

describeWithRedis("a store whose server refuses", (server) => {
  const refusing = async (store: RedisJournalStore, chain: Chain): Promise<unknown> => {
    const error: unknown = await store.append([chain.next()], EPOCH).catch((thrown: unknown) => thrown);
    return error;
  };

  it("says so where memory is full, keeps the lease, and goes on when there is room", async () => {
    const chain = new Chain();
    const url = server.newUrl();
    const store = await openBank({ url }, chain.growBy(2));
    await server.command("CONFIG", "SET", "maxmemory", "1mb");
    onTestFinished(async () => void (await server.command("CONFIG", "SET", "maxmemory", "0")));
    const error = await refusing(store, chain);
    expect(error).toBeInstanceOf(AppendRefusedError);
    expect(String(error)).toMatch(/memory is full.*make room/);
    const beat = async () => (await server.hash(keyOf(url, "meta")))["beat"];
    const before = await beat();
    await expect.poll(beat).not.toBe(before);
    await store.lease?.confirm();
    expect(await readAll(store)).toEqual(chain.batches);
    await server.command("CONFIG", "SET", "maxmemory", "0");
    await store.append([chain.grow()], EPOCH);
    expect(await readAll(store)).toEqual(chain.batches);
  });

  it("says so where it could not save its data", async () => {
    const chain = new Chain();
    const store = await openBank({ url: server.newUrl() }, chain.growBy(2));
    await server.failToSave();
    const error = await refusing(store, chain);
    expect(error).toBeInstanceOf(AppendRefusedError);
    expect(String(error)).toMatch(/cannot save to its disk/);
    await server.command("CONFIG", "SET", "save", "");
    await store.append([chain.grow()], EPOCH);
    expect(await readAll(store)).toEqual(chain.batches);
  });

  it("says so while somebody's script keeps it busy", async () => {
    const chain = new Chain();
    const store = await openBank({ url: server.newUrl() }, chain.growBy(2));
    await server.command("CONFIG", "SET", "busy-reply-threshold", "1");
    const script = server.command("EVAL", "while true do end", "0").catch(() => "killed");
    await expect.poll(() => server.command("GET", "any").catch(String)).toMatch(/BUSY/);
    const error = await refusing(store, chain);
    expect(error).toBeInstanceOf(AppendRefusedError);
    expect(String(error)).toMatch(/busy with somebody's script/);
    await server.command("SCRIPT", "KILL");
    expect(await script).toBe("killed");
    await store.append([chain.grow()], EPOCH);
    expect(await readAll(store)).toEqual(chain.batches);
  });

  it("says that the lease is lost where it is a replica now, and takes it again from a master", async () => {
    const chain = new Chain();
    const store = await openBank({ url: server.newUrl() }, chain.growBy(2));
    await server.command("REPLICAOF", "127.0.0.1", "1");
    onTestFinished(async () => void (await server.command("REPLICAOF", "NO", "ONE")));
    const error = await refusing(store, chain);
    expect(error).toBeInstanceOf(LeaseLostError);
    expect(String(error)).toMatch(/replica now/);
    expect(store.lease?.lost.aborted).toBe(true);
    await expect(store.recover()).rejects.toThrow(/is a replica: name the master/);
    await server.command("REPLICAOF", "NO", "ONE");
    await store.recover();
    await store.append([chain.grow()], EPOCH);
    expect(await readAll(store)).toEqual(chain.batches);
  });

  it("brings its functions back where they were deleted", async () => {
    const chain = new Chain();
    const store = await openBank({ url: server.newUrl() }, chain.growBy(2));
    await server.command("FUNCTION", "FLUSH");
    await store.append([chain.grow()], EPOCH);
    expect(await readAll(store)).toEqual(chain.batches);
  });

  it("counts a write only once as many replicas have it as are asked for", async () => {
    const chain = new Chain();
    const url = server.newUrl();
    await (await openBank({ url }, chain.growBy(2))).close();
    const alone = connectStore({ url: `${url}?wait_replicas=1` });
    await expect(alone.open()).rejects.toThrow(/on 0 of 1 replicas/);

    const replica = new RedisServer();
    onTestFinished(() => replica.remove());
    await replica.start({ settings: ["--replicaof", "127.0.0.1", String(server.port)] });
    await untilDone(() => alone.open());
    const batch = chain.grow();
    await alone.append([batch], EPOCH);
    // It has the batch as soon as the append resolves, and the functions to go on with.
    expect(await replica.command("XLEN", keyOf(url, "journal"))).toBe(3);
    expect(String(await replica.command("FUNCTION", "LIST"))).toMatch(/bank_store_/);

    // The write is there: what is refused is only to say on how many replicas.
    await server.command("ACL", "SETUSER", "default", "-wait");
    const asked = chain.grow();
    await expect(alone.append([asked], EPOCH)).rejects.toThrow(AppendUnknownError);
    await server.command("ACL", "SETUSER", "default", "+wait");
    await alone.recover();
    await alone.append([asked], EPOCH);

    await replica.command("REPLICAOF", "NO", "ONE");
    const late = chain.grow();
    await expect(alone.append([late], EPOCH)).rejects.toThrow(AppendUnknownError);
    await expect(alone.recover()).rejects.toThrow(/on 0 of 1 replicas/);
    await replica.command("REPLICAOF", "127.0.0.1", String(server.port));
    await untilDone(() => alone.recover());
    await alone.append([late], EPOCH);
    expect(await replica.command("XLEN", keyOf(url, "journal"))).toBe(5);
  });
});

import { expect, it } from "vitest";
import { BANK_ID, Chain } from "../conformance/chain.ts";
import { describeWithRedis } from "../conformance/with-redis.ts";
import { CorruptStoreError, StoreVersionError } from "../errors.ts";
import { sourceOf } from "../snapshot-source.ts";
import type { RedisJournalStore } from "./redis-store.ts";
import { connectStore, keyOf, openBank } from "./stores.test-util.ts";

const EPOCH = { epoch: 1 };

describeWithRedis("data that was changed by hand, or lost", (server) => {
  /** A closed bank with eight batches of two records each, and a snapshot. */
  const makeBank = async (): Promise<{ readonly url: string; readonly chain: Chain }> => {
    const url = server.newUrl();
    const chain = new Chain();
    const store = await openBank({ url }, chain.growBy(8, { records: 2 }));
    await store.saveSnapshot(sourceOf({ position: 16, header: Uint8Array.of(1), pages: [Uint8Array.of(2)] }));
    await store.close();
    return { url, chain };
  };
  const setMeta = (url: string, field: string, value: string) =>
    server.command("HSET", keyOf(url, "meta"), field, value);

  it.each([
    { field: "position", value: "seven" },
    { field: "position", value: "14" },
    { field: "position", value: "9007199254740993" },
    { field: "hash", value: "00" },
    { field: "hash", value: "0".repeat(64) },
    { field: "batches", value: "7" },
    { field: "bank", value: "00".repeat(16) },
    { field: "bank", value: "not an id" },
    { field: "epoch", value: "9" },
    { field: "epoch", value: "-1" },
    { field: "parts", value: "1 9" },
    { field: "parts", value: "" },
    { field: "gap", value: "4" },
    { field: "filled", value: "some" },
    { field: "checksum", value: "" },
    { field: "layout", value: "0" },
  ])("is found at the next opening: $field of the store's facts is '$value'", async ({ field, value }) => {
    const { url } = await makeBank();
    await setMeta(url, field, value);
    await expect(connectStore({ url }).open()).rejects.toThrow(CorruptStoreError);
  });

  it.each(["token", "address", "beat", "epoch", "hash", "position", "checksum", "bank"])(
    "is found at the next opening: the store's facts have no %s",
    async (field) => {
      const { url } = await makeBank();
      await server.command("HDEL", keyOf(url, "meta"), field);
      await expect(connectStore({ url }).open()).rejects.toThrow(CorruptStoreError);
    },
  );

  it("is found at the next opening: a newer program's layout", async () => {
    const { url } = await makeBank();
    await setMeta(url, "layout", "2");
    await expect(connectStore({ url }).open()).rejects.toThrow(StoreVersionError);
  });

  it.each([
    { what: "the store's facts", act: (url: string) => [["DEL", keyOf(url, "meta")]] },
    { what: "the journal", act: (url: string) => [["DEL", keyOf(url, "journal")]] },
    { what: "the newest batch", act: (url: string) => [["XDEL", keyOf(url, "journal"), "16-0"]] },
    { what: "the first batch", act: (url: string) => [["XDEL", keyOf(url, "journal"), "2-0"]] },
    { what: "a batch in the middle", act: (url: string) => [["XDEL", keyOf(url, "journal"), "8-0"]] },
    { what: "all but the newest", act: (url: string) => [["XTRIM", keyOf(url, "journal"), "MAXLEN", "1"]] },
    {
      what: "the journal, and there is something else of its name",
      act: (url: string) => [
        ["DEL", keyOf(url, "journal")],
        ["SET", keyOf(url, "journal"), "text"],
      ],
    },
  ])("is found at the next opening: $what is lost", async ({ act }) => {
    const { url } = await makeBank();
    for (const command of act(url)) await server.command(...command);
    await expect(connectStore({ url }).open()).rejects.toThrow(CorruptStoreError);
  });

  it("is found by reading: a batch in the middle is another", async () => {
    const { url, chain } = await makeBank();
    await replaceBatch(url, chain, { hash: "x".repeat(32) });
    const store = connectStore({ url });
    await store.open();
    await expect(store.read(0)).rejects.toThrow(/does not continue the hash/);
    expect(await store.read(10)).toEqual(chain.batches.slice(5));
  });

  it.each([
    { what: "its first position", change: { first: "0" } },
    { what: "its hash", change: { hash: "short" } },
    { what: "its frame", change: { frame: "" } },
    { what: "its place", change: { id: "8-1" } },
  ])("is found by reading: of a batch in the middle $what is damaged", async ({ change }) => {
    const { url, chain } = await makeBank();
    await replaceBatch(url, chain, change);
    const store = connectStore({ url });
    await store.open();
    await expect(store.read(0)).rejects.toThrow(CorruptStoreError);
    await expect(store.batchAt(7)).rejects.toThrow(CorruptStoreError);
  });

  it.each([
    { what: "the newest batch is lost", command: (url: string) => ["XDEL", keyOf(url, "journal"), "16-0"] },
    { what: "the epoch is another", command: (url: string) => ["HSET", keyOf(url, "meta"), "epoch", "2"] },
    { what: "the end is another", command: (url: string) => ["HSET", keyOf(url, "meta"), "position", "14"] },
    { what: "the hash is another", command: (url: string) => ["HSET", keyOf(url, "meta"), "hash", "0".repeat(64)] },
    { what: "somebody appended", command: (url: string) => ["XADD", keyOf(url, "journal"), "17-0", "first", "17"] },
  ])("is found by the next append, which stores nothing: $what", async ({ command }) => {
    const { url, chain } = await makeBank();
    const store = connectStore({ url });
    await store.open();
    await server.command(...command(url));
    const count = await server.command("XLEN", keyOf(url, "journal"));
    await expect(store.append([chain.next()], EPOCH)).rejects.toThrow(CorruptStoreError);
    expect(await server.command("XLEN", keyOf(url, "journal"))).toBe(count);
  });

  it("is found by the recovery: a server that has less than it acknowledged", async () => {
    const url = server.newUrl();
    const chain = new Chain();
    const store = await openBank({ url }, chain.growBy(2));
    const before = await server.hash(keyOf(url, "meta"));
    await store.append([chain.grow()], EPOCH);
    // As a replica that lagged has it, and became the master.
    await server.command("XDEL", keyOf(url, "journal"), "3-0");
    await server.command("HSET", keyOf(url, "meta"), ...Object.entries(before).flat());
    await expect(store.recover()).rejects.toThrow(/acknowledged position 3.*does not have it any more/);
  });

  it("is found by the recovery: a server that has nothing at all", async () => {
    const url = server.newUrl();
    const store = await openBank({ url }, new Chain().growBy(2));
    await server.command("FLUSHALL");
    await expect(store.recover()).rejects.toThrow(CorruptStoreError);
    await store.close();
    const { state } = await reopened(url);
    expect(state.bankId).toBeUndefined();
  });

  it("is found in a snapshot, whose page is lost", async () => {
    const { url } = await makeBank();
    await server.command("HDEL", keyOf(url, "snapshot:16"), "0");
    const { store } = await reopened(url);
    await expect(store.loadSnapshot(16)).rejects.toThrow(CorruptStoreError);
    expect(await store.snapshotPage(16, 0)).toBeUndefined();
  });

  it("is no bank's neighbour's: another prefix is another bank", async () => {
    const { url } = await makeBank();
    const other = server.newUrl();
    const { store, state } = await reopened(other);
    expect(state.head).toBeUndefined();
    await store.initialize(new Uint8Array(16));
    expect((await reopened(url)).state.bankId).toEqual(BANK_ID);
  });

  /** Writes the stream anew, with another fourth batch. */
  async function replaceBatch(
    url: string,
    chain: Chain,
    change: { readonly id?: string; readonly first?: string; readonly hash?: string; readonly frame?: string },
  ): Promise<void> {
    const key = keyOf(url, "journal");
    await server.command("DEL", key);
    for (const [i, batch] of chain.batches.entries()) {
      const changed = i === 3 ? change : {};
      const bytes = (from: Uint8Array) => Buffer.from(from);
      await server.command(
        ...["XADD", key, changed.id ?? `${batch.lastPosition}-0`],
        ...["first", changed.first ?? String(batch.firstPosition), "prev", bytes(batch.previousHash)],
        ...["hash", changed.hash ?? bytes(batch.chainHash), "frame", changed.frame ?? bytes(batch.frame)],
      );
    }
  }

  async function reopened(url: string): Promise<{
    readonly store: RedisJournalStore;
    readonly state: Awaited<ReturnType<RedisJournalStore["open"]>>;
  }> {
    const store = connectStore({ url });
    return { store, state: await store.open() };
  }
});

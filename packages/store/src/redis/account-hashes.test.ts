import { expect, it } from "vitest";
import { Chain } from "../conformance/chain.ts";
import { readAll } from "../conformance/fixture.ts";
import { describeWithRedis } from "../conformance/with-redis.ts";
import { StoreError } from "../errors.ts";
import type { AccountRow } from "../port.ts";
import { connectStore, keyOf, openBank } from "./stores.test-util.ts";

const EPOCH = { epoch: 1 };
const TERMS = { type: "checking", currency: "EUR", owner: "Zoë ☃", alias: "" };

function row(number: string, posted: bigint, more: Partial<AccountRow> = {}): AccountRow {
  return { number, posted, held: 0n, version: 1n, terms: {}, ...more };
}

describeWithRedis("hashes of accounts", (server) => {
  it("are written with the batch that touched them, each whole number as it is", async () => {
    const url = server.newUrl();
    const chain = new Chain();
    const store = await openBank({ url });
    expect(await store.accountsPosition?.()).toBe(0);
    const large = 2n ** 63n - 1n;
    await store.append([chain.grow({ records: 2 })], {
      ...EPOCH,
      accounts: () => [row("1", large, { terms: TERMS, held: 2n ** 53n + 1n }), row("cash/0/EUR", -large)],
    });
    const account = keyOf(url, "account:1");
    const whole = { ...TERMS, posted: "9223372036854775807", held: "9007199254740993", version: "1" };
    expect(await server.hash(account)).toEqual(whole);
    expect(await server.hash(keyOf(url, "account:cash/0/EUR"))).toMatchObject({ posted: "-9223372036854775807" });
    // Terms that are not named stay.
    await store.append([chain.grow()], { ...EPOCH, accounts: () => [row("1", 7n, { version: 2n })] });
    expect(await server.hash(account)).toEqual({ ...TERMS, posted: "7", held: "0", version: "2" });
    expect(await store.accountsPosition?.()).toBe(3);
    await store.close();
    await store.open();
    expect(await store.accountsPosition?.()).toBe(3);
  });

  it("are not written, nor asked for, where the URL says so, and are behind for whoever wants them then", async () => {
    const url = server.newUrl();
    const chain = new Chain();
    const bare = await openBank({ url: `${url}?account_rows=false` });
    const accounts = () => {
      throw new Error("nobody needs them");
    };
    await bare.append([chain.grow({ records: 2 })], { ...EPOCH, accounts });
    expect([bare.accountsPosition, bare.replaceAccounts, bare.shownAccounts]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    await bare.close();
    expect(await server.command("KEYS", keyOf(url, "account:*"))).toEqual([]);
    const store = connectStore({ url });
    await store.open();
    expect(await readAll(store)).toEqual(chain.batches);
    expect(await store.accountsPosition?.()).toBe(0);
    await store.replaceAccounts?.(2, [row("1", 5n)]);
    expect(await store.accountsPosition?.()).toBe(2);
    expect(await server.hash(keyOf(url, "account:1"))).toMatchObject({ posted: "5" });
  });

  it("are asked for at once, and once", async () => {
    const store = await openBank({ url: server.newUrl() });
    let asked = 0;
    const accounts = () => {
      asked++;
      return [row("1", 1n)];
    };
    const appending = store.append([new Chain().next()], { ...EPOCH, accounts });
    expect(asked).toBe(1);
    await appending;
    await store.append([], { ...EPOCH, accounts });
    expect(asked).toBe(1);
  });

  it("are not written where the batch is not", async () => {
    const url = server.newUrl();
    const chain = new Chain();
    const store = await openBank({ url }, [chain.grow()]);
    await server.command("HSET", keyOf(url, "meta"), "hash", "0".repeat(64));
    const refused = store.append([chain.next()], { ...EPOCH, accounts: () => [row("1", 1n)] });
    await expect(refused).rejects.toThrow(StoreError);
    expect(await server.command("EXISTS", keyOf(url, "account:1"))).toBe(0);
  });

  it("stay behind once a batch came without, until all are written anew", async () => {
    const url = server.newUrl();
    const chain = new Chain();
    const store = await openBank({ url });
    await store.append([chain.grow()], { ...EPOCH, accounts: () => [row("1", 1n)] });
    await store.append([chain.grow()], EPOCH);
    await store.append([chain.grow()], { ...EPOCH, accounts: () => [row("2", 2n)] });
    expect(await store.accountsPosition?.()).toBe(1);
    const rows = [row("1", 10n, { terms: TERMS }), row("2", 20n)];
    await expect(store.replaceAccounts?.(2, rows)).rejects.toThrow(StoreError);
    await store.replaceAccounts?.(3, rows);
    expect(await store.accountsPosition?.()).toBe(3);
    await store.append([chain.grow()], { ...EPOCH, accounts: () => [row("2", 21n)] });
    expect(await store.accountsPosition?.()).toBe(4);
  });

  it("are as they should be once they are written anew, whatever was there", async () => {
    const url = server.newUrl();
    const store = await openBank({ url }, [new Chain().next()]);
    await server.command("HSET", keyOf(url, "account:1"), "posted", "1000000", "by", "hand");
    await server.command("SET", keyOf(url, "account:2"), "no hash");
    await server.command("HSET", keyOf(url, "account:9999"), "posted", "1");
    const neighbour = "{another}:account:1";
    await server.command("HSET", neighbour, "posted", "5");
    const count = 2_500;
    await store.replaceAccounts?.(
      1,
      Array.from({ length: count }, (_, i) => row(String(i + 1), BigInt(i), { terms: TERMS })),
    );
    expect(await server.hash(keyOf(url, "account:1"))).toEqual({ ...TERMS, posted: "0", held: "0", version: "1" });
    expect(await server.hash(keyOf(url, `account:${count}`))).toMatchObject({ posted: String(count - 1) });
    expect(await server.command("HGET", keyOf(url, "account:2"), "posted")).toEqual(Buffer.from("1"));
    expect(await server.command("EXISTS", keyOf(url, "account:9999"))).toBe(0);
    expect(await server.command("HGET", neighbour, "posted")).toEqual(Buffer.from("5"));
  });

  it("whose key is no hash are replaced, and all are taken to be unknown, but the batch is stored", async () => {
    const url = server.newUrl();
    const chain = new Chain();
    const store = await openBank({ url });
    await server.command("SET", keyOf(url, "account:1"), "no hash");
    const rows = [row("1", 1n), row("2", 2n, { terms: TERMS })];
    await store.append([chain.grow()], { ...EPOCH, accounts: () => rows });
    expect(await store.read(0)).toEqual(chain.batches);
    expect(await server.hash(keyOf(url, "account:1"))).toMatchObject({ posted: "1" });
    expect(await store.accountsPosition?.()).toBe(0);
  });

  it("may be thousands in one batch", async () => {
    const url = server.newUrl();
    const chain = new Chain();
    const store = await openBank({ url });
    const count = 16_000;
    const accounts = (posted: bigint, terms: AccountRow["terms"]) => () =>
      Array.from({ length: count }, (_, i) => row(String(i + 1), posted, { terms }));
    await store.append([chain.grow()], { ...EPOCH, accounts: accounts(1n, TERMS) });
    await store.append([chain.grow({ frameBytes: 656_000 })], { ...EPOCH, accounts: accounts(2n, {}) });
    expect(await server.hash(keyOf(url, `account:${count}`))).toMatchObject({ ...TERMS, posted: "2" });
    expect(await store.accountsPosition?.()).toBe(2);
  });

  it("whose marker was deleted are not known any more", async () => {
    const url = server.newUrl();
    const chain = new Chain();
    const store = await openBank({ url });
    await store.append([chain.grow()], { ...EPOCH, accounts: () => [row("1", 1n)] });
    await server.command("HDEL", keyOf(url, "meta"), "accounts");
    await store.append([chain.grow()], { ...EPOCH, accounts: () => [row("1", 2n)] });
    expect(await store.accountsPosition?.()).toBeUndefined();
    await store.close();
    const next = connectStore({ url });
    await next.open();
    expect(await next.accountsPosition?.()).toBeUndefined();
  });

  it("have no term that is called like a sum", async () => {
    const store = await openBank({ url: server.newUrl() });
    const odd = row("1", 1n, { terms: { posted: "5" } });
    await expect(store.append([new Chain().next()], { ...EPOCH, accounts: () => [odd] })).rejects.toThrow(RangeError);
  });
});

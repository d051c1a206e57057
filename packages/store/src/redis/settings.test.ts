import { expect, it, onTestFinished } from "vitest";
import { Chain } from "../conformance/chain.ts";
import { describeWithRedis } from "../conformance/with-redis.ts";
import { StoreError, UnsafeSettingsError } from "../errors.ts";
import { openStore } from "../open.ts";
import { RedisJournalStore } from "./redis-store.ts";
import { judge } from "./settings.ts";
import { connectStore, keyOf, openBank } from "./stores.test-util.ts";

const SAFE = {
  appendonly: "yes",
  appendfsync: "always",
  "no-appendfsync-on-rewrite": "no",
  "maxmemory-policy": "noeviction",
} as const;
const INFO = new Map([
  ["redis_version", "7.0.15"],
  ["role", "master"],
  ["aof_enabled", "1"],
  ["aof_last_write_status", "ok"],
  ["aof_last_bgrewrite_status", "ok"],
  ["maxmemory_policy", "noeviction"],
]);

it.each([
  [{ appendonly: "no" }, /appendonly is no and has to be yes/],
  [{ appendfsync: "everysec" }, /appendfsync is everysec and has to be always: it answers before/],
  [{ "no-appendfsync-on-rewrite": "yes" }, /no-appendfsync-on-rewrite is yes/],
  [{ "maxmemory-policy": "allkeys-lru" }, /maxmemory-policy is allkeys-lru.*deletes keys/],
] as const)("finds %o unsafe", (change, message) => {
  const { unsafe } = judge({ settings: { ...SAFE, ...change }, info: INFO }, "a server");
  expect(unsafe.join("; ")).toMatch(message);
});

it("finds a server safe that has what is needed", () => {
  expect(judge({ settings: SAFE, info: INFO }, "a server")).toEqual({ unsafe: [], warnings: [] });
});

it("refuses what it cannot know, and looks for the rest where that is said", () => {
  const { unsafe } = judge({ settings: {}, info: INFO }, "a server");
  expect(unsafe).toHaveLength(2);
  expect(unsafe.join("; ")).toMatch(/appendfsync cannot be asked.*no-appendfsync-on-rewrite cannot be asked/);
  expect(judge({ settings: {}, info: new Map([["redis_version", "7.2.1"]]) }, "a server").unsafe).toHaveLength(5);
});

it("says what a server did not manage the last time", () => {
  const failed = new Map([...INFO, ["aof_last_write_status", "err"], ["aof_last_bgrewrite_status", "err"]]);
  const { unsafe, warnings } = judge({ settings: SAFE, info: failed }, "a server");
  expect(unsafe).toEqual([expect.stringMatching(/could not write its append-only file/)]);
  expect(warnings).toEqual([expect.stringMatching(/could not rewrite its append-only file/)]);
});

it.each([
  [new Map([...INFO, ["redis_version", "6.2.0"]]), /needs 7.0 or newer/],
  [new Map([...INFO, ["role", "slave"]]), /name the master/],
])("uses no server that is too old, or a replica", (info, message) => {
  expect(() => judge({ settings: SAFE, info }, "a server")).toThrow(StoreError);
  expect(() => judge({ settings: SAFE, info }, "a server")).toThrow(message);
});

describeWithRedis("a server's settings", (server) => {
  it("are refused where it can lose what it acknowledged, unless that is allowed, loudly", async () => {
    const url = server.newUrl();
    await (await openBank({ url })).close();
    await server.command("CONFIG", "SET", "appendfsync", "everysec");
    onTestFinished(async () => void (await server.command("CONFIG", "SET", "appendfsync", "always")));
    await expect(connectStore({ url }).open()).rejects.toThrow(UnsafeSettingsError);
    await expect(connectStore({ url }).open()).rejects.toThrow(/appendfsync is everysec.*allow_data_loss=true/);
    const store = openStore(`${url}?allow_data_loss=true`) as RedisJournalStore;
    onTestFinished(() => store.close());
    await store.open();
    expect(store.warnings).toEqual([expect.stringMatching(/^MONEY CAN BE LOST.*appendfsync is everysec/)]);
  });

  it("are asked again after each reconnection", async () => {
    const store = await openBank({ url: server.newUrl() });
    await server.command("CONFIG", "SET", "appendfsync", "no");
    onTestFinished(async () => void (await server.command("CONFIG", "SET", "appendfsync", "always")));
    await expect(store.recover()).rejects.toThrow(UnsafeSettingsError);
    await server.command("CONFIG", "SET", "appendfsync", "always");
    await store.recover();
    expect(store.warnings).toEqual([]);
    // Also after one that the store makes by itself.
    await server.command("CONFIG", "SET", "appendfsync", "no");
    await server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    const asked = () => store.lease!.confirm().then(() => "confirmed", String);
    await expect.poll(asked).toMatch(/no connection.*appendfsync is no/);
    await server.command("CONFIG", "SET", "appendfsync", "always");
    await expect.poll(asked).toBe("confirmed");
  });

  it("may be kept from the bank's user, who then has to allow what he cannot know", async () => {
    await server.command("ACL", "SETUSER", "bank", "on", ">a-secret", "~*", "+@all", "-config");
    const url = server.newUrl().replace("//", "//bank:a-secret@");
    const error: unknown = await connectStore({ url })
      .open()
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UnsafeSettingsError);
    expect(String(error)).toMatch(/appendfsync cannot be asked/);
    expect(String(error)).not.toMatch(/a-secret/);
    await connectStore({ url: `${url}?allow_data_loss=true` }).open();
  });

  it("need no more rights than the docs name", async () => {
    const url = server.newUrl();
    const rights = [
      "+@read",
      "+@write",
      "+@connection",
      "+info",
      "+config|get",
      "+fcall",
      "+fcall_ro",
      "+function|load",
      "+wait",
      "+scan",
    ];
    await server.command("FUNCTION", "FLUSH");
    await server.command("ACL", "SETUSER", "teller", "on", ">pw", `~${keyOf(url, "*")}`, ...rights);
    const store = await openBank({ url: url.replace("//", "//teller:pw@") }, new Chain().growBy(2));
    await store.saveSnapshot({ position: 2, pages: [Uint8Array.of(1)], header: () => Uint8Array.of(1) });
    await store.replaceAccounts(2, [{ number: "1", terms: {}, posted: 1n, held: 0n, version: 1n }]);
    await store.lease?.announce("http://10.0.0.1:4000");
    await store.recover();
    expect(await store.read(0)).toHaveLength(2);
  });

  it("leave no password in any message", async () => {
    const url = server.newUrl().replace("//", "//nobody:a-secret@");
    const errors = [
      await connectStore({ url })
        .open()
        .catch((thrown: unknown) => thrown),
      await connectStore({ url: url.replace(/:\d+\//, ":1/") })
        .open()
        .catch((thrown: unknown) => thrown),
    ];
    for (const error of errors) {
      expect(error).toBeInstanceOf(StoreError);
      const texts = [];
      for (let cause = error; cause instanceof Error; cause = cause.cause) texts.push(String(cause), cause.stack);
      expect(texts.join("\n")).not.toMatch(/a-secret/);
    }
    expect(String(errors[0])).toMatch(/does not know this user and password/);
  });
});

it("needs no server to be made, and tells where it would look without the password", () => {
  const store = new RedisJournalStore({ url: "redis://user:a-secret@localhost/teller" });
  expect(store.place.name).toBe("redis://localhost:6379/teller");
});

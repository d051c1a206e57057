import { expect, it, onTestFinished } from "vitest";
import { Chain } from "../conformance/chain.ts";
import { describeWithRedis } from "../conformance/with-redis.ts";
import { StoreError, UnsafeSettingsError } from "../errors.ts";
import { openStore } from "../open.ts";
import { isAsStarted } from "./as-started.ts";
import { Connection } from "./connection.ts";
import { parseRedisUrl } from "./redis-place.ts";
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

const PLACE = { name: "a server", waitAof: 0 };

it.each([
  [{ appendonly: "no" }, /appendonly is no and has to be yes/],
  [{ appendfsync: "everysec" }, /appendfsync is everysec and has to be always: it answers before/],
  [{ "no-appendfsync-on-rewrite": "yes" }, /no-appendfsync-on-rewrite is yes/],
  [{ "maxmemory-policy": "allkeys-lru" }, /maxmemory-policy is allkeys-lru.*deletes keys/],
] as const)("finds %o unsafe", (change, message) => {
  const { unsafe } = judge({ settings: { ...SAFE, ...change }, info: INFO }, PLACE);
  expect(unsafe.join("; ")).toMatch(message);
});

it("finds a server safe that has what is needed", () => {
  expect(judge({ settings: SAFE, info: INFO }, PLACE)).toEqual({ unsafe: [], warnings: [] });
});

it("refuses what it cannot know, and looks for the rest where that is said", () => {
  const { unsafe } = judge({ settings: {}, info: INFO }, PLACE);
  expect(unsafe).toHaveLength(2);
  expect(unsafe.join("; ")).toMatch(/appendfsync cannot be asked.*no-appendfsync-on-rewrite cannot be asked/);
  expect(judge({ settings: {}, info: new Map([["redis_version", "7.2.1"]]) }, PLACE).unsafe).toHaveLength(5);
});

it("says what a server did not manage the last time", () => {
  const failed = new Map([...INFO, ["aof_last_write_status", "err"], ["aof_last_bgrewrite_status", "err"]]);
  const { unsafe, warnings } = judge({ settings: SAFE, info: failed }, PLACE);
  expect(unsafe).toEqual([expect.stringMatching(/could not write its append-only file/)]);
  expect(warnings).toEqual([expect.stringMatching(/could not rewrite its append-only file/)]);
});

it.each([
  [new Map([...INFO, ["redis_version", "6.2.0"]]), /needs 7.0 or newer/],
  [new Map([...INFO, ["role", "slave"]]), /name the master/],
])("uses no server that is too old, or a replica", (info, message) => {
  expect(() => judge({ settings: SAFE, info }, PLACE)).toThrow(StoreError);
  expect(() => judge({ settings: SAFE, info }, PLACE)).toThrow(message);
});

it.each([
  [{ aof_rewrite_in_progress: "1" }, /writing its append-only file anew, perhaps for the first time/],
  [{ aof_rewrite_scheduled: "1" }, /writing its append-only file anew/],
  [{ aof_last_bgrewrite_status: "err", aof_base_size: "0" }, /could not write its append-only file whole/],
])(
  "trusts no append-only file that may not be whole yet (%o), unless the server was safe before",
  (change, message) => {
    const info = new Map([...INFO, ...Object.entries(change)]);
    expect(judge({ settings: SAFE, info }, PLACE).unsafe).toEqual([expect.stringMatching(message)]);
    expect(judge({ settings: SAFE, info }, PLACE, true).unsafe).toEqual([]);
  },
);

it.each([
  ["7.0.15", true],
  ["7.1.240", true],
  ["7.2.0", false],
  ["8.0.1", false],
])("asks Redis %s for WAITAOF only where it knows it", (version, isRefused) => {
  const info = new Map([...INFO, ["redis_version", version]]);
  const judged = () => judge({ settings: SAFE, info }, { ...PLACE, waitAof: 1 });
  if (isRefused) expect(judged).toThrow(/"\?wait_aof=" needs Redis 7\.2 or newer, and a server is 7\./);
  else expect(judged().unsafe).toEqual([]);
});

describeWithRedis("a server that rewrites its append-only file", (server) => {
  it("is used at once where it has had one from its start on, and only then", async () => {
    await server.kill();
    // So much for each key: the rewriting takes half a minute, and is not waited for.
    await server.start({ settings: ["--rdb-key-save-delay", "300000"] });
    await server.command("EVAL", "for i = 1, 100 do redis.call('SET', 'k' .. i, i) end", "0");
    await server.command("BGREWRITEAOF");
    const begunMs = performance.now();
    await (await openBank({ url: server.newUrl() })).close();
    const persistence = String(await server.command("INFO", "persistence"));
    expect(persistence).toMatch(/aof_rewrite_in_progress:1/);
    expect(performance.now() - begunMs).toBeLessThan(5_000);
    const asStarted = async () => {
      const place = parseRedisUrl(server.newUrl());
      const connection = await Connection.open(place, { timeoutMs: 5_000 });
      onTestFinished(() => connection.close());
      await connection.call(["INFO"]);
      return isAsStarted(connection);
    };
    expect(await asStarted()).toBe(true);
    for (const changing of [
      ["CONFIG", "SET", "maxclients", "900"],
      ["CONFIG", "RESETSTAT"],
      ["REPLICAOF", "NO", "ONE"],
    ]) {
      await server.kill();
      await server.start();
      expect(await asStarted()).toBe(true);
      await server.command(...changing);
      expect(await asStarted()).toBe(false);
    }
  });
});

describeWithRedis("a server whose append-only file is switched on", (server) => {
  it("counts as safe only once that is written whole", async () => {
    const rewriting = async () => /aof_rewrite_in_progress:1/.test(String(await server.command("INFO", "persistence")));
    await server.command("CONFIG", "SET", "appendonly", "no");
    await server.command("EVAL", "for i = 1, 100 do redis.call('SET', 'k' .. i, i) end", "0");
    // So much for each key: a second in all.
    await server.command("CONFIG", "SET", "rdb-key-save-delay", "10000");
    await server.command("CONFIG", "SET", "appendonly", "yes");
    const store = await openBank({ url: server.newUrl() });
    expect(await rewriting()).toBe(false);
    expect(store.warnings).toEqual([]);

    // One that begins later replaces a file that is there, and nobody waits for it: this one takes half a minute.
    await server.command("CONFIG", "SET", "rdb-key-save-delay", "300000");
    await server.command("BGREWRITEAOF");
    await store.recover();
    expect(await rewriting()).toBe(true);
    // Which ends it.
    await server.command("CONFIG", "SET", "appendonly", "no");
  });

  it("is refused where replicas' disks are asked for that it cannot tell of", async () => {
    await server.command("CONFIG", "SET", "rdb-key-save-delay", "0");
    await server.command("CONFIG", "SET", "appendonly", "yes");
    const version = /redis_version:(\d+)\.(\d+)/.exec(String(await server.command("INFO", "server")));
    const url = server.newUrl("?wait_aof=1");
    const [major = 0, minor = 0] = (version ?? []).slice(1).map(Number);
    const isKnown = major > 7 || (major === 7 && minor >= 2);
    await expect(connectStore({ url }).open()).rejects.toThrow(
      isKnown ? /on the disks of 0 of 1 replicas/ : /"\?wait_aof=" needs Redis 7\.2/,
    );
  });
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
    await store.replaceAccounts?.(2, [{ number: "1", terms: {}, posted: 1n, held: 0n, version: 1n }]);
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

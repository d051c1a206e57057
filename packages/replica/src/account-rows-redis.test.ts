import { RedisJournalStore } from "@bank/store";
import { describeWithRedis } from "@bank/store/conformance";
import { deposit, ManualPlatform, openAccount, request, seeds, withSeed } from "@bank/testkit";
import { expect, it, onTestFinished } from "vitest";
import type { BankReplica } from "./bank-replica.ts";
import { rowsByLedger } from "./random-life.test-util.ts";
import { liveOn, openRowsBank } from "./rows-store.test-util.ts";

const FILE = "packages/replica/src/account-rows-redis.test.ts";

describeWithRedis("a bank on Redis", (server) => {
  const openBank = async (url: string, platform = new ManualPlatform()): Promise<BankReplica> => {
    const bank = await openRowsBank(new RedisJournalStore({ url }), platform);
    onTestFinished(() => bank.close());
    return bank;
  };
  const prefixOf = (url: string) => `{${new URL(url).pathname.slice(1)}}:`;
  /** Every hash of an account, as anybody would read it. */
  const rowsOf = async (url: string) => {
    const prefix = `${prefixOf(url)}account:`;
    const keys = await server.command("KEYS", `${prefix}*`);
    const rows = new Map<string, Record<string, string>>();
    for (const key of Array.isArray(keys) ? keys.map(String) : [])
      rows.set(key.slice(prefix.length), await server.hash(key));
    return rows;
  };

  it.each(seeds(3))("has hashes that are what its ledger says, over restarts of both (seed %d)", async (seed) => {
    await withSeed(seed, FILE, async (random) => {
      const url = server.newUrl();
      const platform = new ManualPlatform({ seed });
      for (let life = 0; life < 3; life++) {
        const bank = await openBank(url, platform);
        await liveOn(bank, { platform, random, steps: 25 });
        expect(await rowsOf(url)).toEqual(rowsByLedger(bank.ledger));
        await bank.close();
        if (life !== 1) continue;
        await server.kill();
        await server.start();
      }
    });
  });

  it("writes its hashes anew at a start where their marker says another position, or nothing", async () => {
    const url = server.newUrl();
    const first = await openBank(url);
    await first.submit([request(1, openAccount()), request(2, openAccount()), request(3, deposit(1, 500))]);
    await first.close();
    for (const marker of [
      ["HDEL", "accounts"],
      ["HSET", "accounts", "2"],
    ]) {
      const [command = "", ...args] = marker;
      await server.command(command, `${prefixOf(url)}meta`, ...args);
      await server.command("DEL", `${prefixOf(url)}account:2`);
      await server.command("HSET", `${prefixOf(url)}account:1`, "posted", "1000000");
      const bank = await openBank(url);
      expect(await rowsOf(url)).toEqual(rowsByLedger(bank.ledger));
      await bank.close();
    }
  });

  it("does not notice a hash that was changed where the marker stands, and does not believe it either", async () => {
    const url = server.newUrl();
    const first = await openBank(url);
    await first.submit([request(1, openAccount()), request(2, deposit(1, 500))]);
    await first.close();
    await server.command("HSET", `${prefixOf(url)}account:1`, "posted", "1000000");
    const bank = await openBank(url);
    expect(rowsByLedger(bank.ledger).get("1")).toMatchObject({ posted: "500" });
    // The next change of the account puts it right.
    await bank.submit([request(3, deposit(1, 1))]);
    expect(await rowsOf(url)).toEqual(rowsByLedger(bank.ledger));
  });
});

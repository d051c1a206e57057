import { rm } from "node:fs/promises";
import { join } from "node:path";
import { consistency } from "@bank/testkit";
import { expect, it, vi } from "vitest";
import { accountWith, asked, reasonOf, usd } from "./calls.test-util.ts";
import { forgoCopies } from "./forgo-copies.ts";
import { silentLog } from "./log.ts";
import { clientOf, startFollowing, startTestBank, startTestBranches, temporaryFolder } from "./servers.test-util.ts";
import { SupersededError, SupersededFile } from "./superseded-file.ts";

const WAIT = { timeout: 10_000, interval: 20 };

it("goes on without the copies that count, once an operator says that they never come back", async () => {
  const dataDir = join(await temporaryFolder(), "bank");
  const first = await startTestBank({ dataDir });
  const [one, two] = await Promise.all([1, 2].map((number) => startFollowing(first.url, [number])));
  const client = clientOf(first.url);
  const account = await accountWith(client, 100);
  const deposit = asked({ account, amount: usd(1) });
  await vi.waitFor(
    () => client.branches.setDurability({ requestId: crypto.randomUUID(), copies: 2, branches: [1, 2] }),
    WAIT,
  );
  await expect(forgoCopies({ dataDir, log: silentLog })).rejects.toThrow(/in use/);
  await two!.close();
  await rm(two!.dataDir, { recursive: true });
  // On the bank's disk and on that of one: it was never answered.
  await expect(client.transactions.deposit(deposit, { timeoutMs: 300 })).rejects.toThrow();
  const isAppended = first.replica.feed.appendedPosition > first.replica.committedPosition;
  const end = first.replica.feed.appendedPosition;
  await first.close();
  const stuck = await startTestBank({ dataDir, port: first.port });
  expect(stuck.replica.isAwaitingCopies).toBe(true);
  expect(await reasonOf(clientOf(stuck.url).balance(account, consistency("local")))).toBe("NOT_READY");
  await stuck.close();

  const forgone = await forgoCopies({ dataDir, log: silentLog });
  expect(forgone.before).toEqual({ copies: 2, branches: [1, 2] });
  expect(forgone.position).toBeGreaterThan(end);
  const bank = await startTestBank({ dataDir, port: first.port });
  expect(bank.replica.isAwaitingCopies).toBe(false);
  expect(bank.replica.ledger.durability).toMatchObject({ copies: 0, members: [] });
  expect(bank.replica.ledger.currentEpoch()?.number).toBe(forgone.epoch + 1);
  const again = clientOf(bank.url);
  // What the bank had on its disk counts now; its retry is answered as what it was, or carried out.
  expect(await again.balance(account)).toBe(isAppended ? 101n : 100n);
  await again.transactions.deposit(deposit);
  expect(await again.balance(account)).toBe(101n);
  await vi.waitFor(async () => expect(await clientOf(one!.url).balance(account)).toBe(101n), WAIT);
  await startTestBranches(bank.url, [2]);
  await vi.waitFor(
    () => again.branches.setDurability({ requestId: crypto.randomUUID(), copies: 2, branches: [1, 2] }),
    WAIT,
  );
  await again.transactions.deposit(asked({ account, amount: usd(1) }), { timeoutMs: 10_000 });
  await bank.close();
});

it("changes nothing where no copies count, where no bank lives, and where the bank was replaced", async () => {
  const dataDir = join(await temporaryFolder(), "bank");
  await expect(forgoCopies({ dataDir, log: silentLog })).rejects.toThrow(/no bank lives in/);
  const bank = await startTestBank({ dataDir });
  await bank.close();
  await expect(forgoCopies({ dataDir, log: silentLog })).rejects.toThrow(/no copies count/);
  new SupersededFile(dataDir).write({ epoch: 1, newer: 1_000_000 });
  await expect(forgoCopies({ dataDir, log: silentLog })).rejects.toThrow(SupersededError);
});

import { followJournal } from "@bank/testkit";
import { expect, it, vi } from "vitest";
import { deposit, give, openAccount } from "./books.test-util.ts";
import { clientOf, startFollowing, startTestBank } from "./servers.test-util.ts";

const SOON = () => AbortSignal.timeout(10_000);

it("a chain of branches shows, books and tells the time as one, and the bank serves its own child alone", async () => {
  const bank = await startTestBank();
  const child = await startFollowing(bank.url, [1]);
  const grandchild = await startFollowing(child.url, [2]);
  const leaf = await startFollowing(grandchild.url, [3]);
  const client = clientOf(leaf.url);
  const account = await openAccount(client);
  const order = deposit(3, account, 70n);
  const reply = await give(client, order);
  expect(reply).toMatchObject({ done: true, replayed: false });
  expect(await give(client, order)).toEqual({ ...reply, replayed: true });
  expect(await client.balance(account)).toBe(70n);
  expect(await client.balance("cash/3/USD")).toBe(-70n);
  // What the leaf read is the newest: all hops were asked anew, after it came.
  await give(clientOf(bank.url), deposit(0, account, 5n));
  expect(await client.balance(account)).toBe(75n);
  const timeMs = Date.now() - 1;
  await vi.waitUntil(() => Date.now() > timeMs + 2);
  const past = await client.accounts.getBalance({
    account,
    time: { seconds: BigInt(Math.floor(timeMs / 1000)), nanos: 0 },
  });
  expect(past.readInfo?.position).toBeGreaterThan(0n);
  expect(bank.replica.feed.followers).toBe(1);
  expect(child.replica().feed.followers).toBe(1);
  const position = bank.replica.committedPosition;
  await leaf.replica().whenApplied(position, SOON());
  const digests = [bank.replica, child.replica(), grandchild.replica(), leaf.replica()].map(({ ledger }) =>
    Buffer.from(ledger.digestBytes()).toString("hex"),
  );
  expect(new Set(digests).size).toBe(1);
  expect((await followJournal(client, position)).records.length).toBe(position);
  const { branches } = await client.branches.listBranches({});
  expect(branches.slice(1).map(({ number, address, name }) => [number, address, name])).toEqual([
    [1, child.url, "branch 1"],
    [2, grandchild.url, "branch 2"],
    [3, leaf.url, "branch 3"],
  ]);
});

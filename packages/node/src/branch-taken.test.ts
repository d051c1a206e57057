import { expect, it, vi } from "vitest";
import { deposit, give, openAccount } from "./books.test-util.ts";
import { clientOf, startFollowing, startTestBank, startTestBranches } from "./servers.test-util.ts";

const SOON = { timeout: 10_000, interval: 20 };

it("a second server with a branch's number does not take its address, and takes over once the first is gone", async () => {
  const bank = await startTestBank();
  const parent = await startFollowing(bank.url, [1]);
  const first = await startFollowing(bank.url, [2]);
  const address = () => bank.replica.ledger.branches.get(2)?.address;
  await vi.waitUntil(() => bank.replica.members.copyOf(2) !== undefined, SOON);

  // What it asks passes through another branch.
  const second = await startTestBranches(parent.url, [2]);
  await vi.waitUntil(() => second.log.about("not registered yet").length > 0, SOON);
  const [told] = second.log.about("not registered yet");
  expect(told).toMatchObject({ level: "error", fields: { problem: expect.stringContaining(first.url) } });
  expect(told?.fields["problem"]).toContain("Stop that one, or give this one another number.");
  expect(address()).toBe(first.url);
  const client = clientOf(first.url);
  const account = await openAccount(client);
  expect(await give(client, deposit(2, account, 1n))).toMatchObject({ done: true });

  await first.close();
  await second.whenFollowing(AbortSignal.timeout(10_000));
  expect(address()).toBe(second.url);
  expect(second.log.about("not registered yet").length).toBeLessThan(3);
});

it("a branch whose address another server took from it all the same takes it back, and says so", async () => {
  const bank = await startTestBank();
  const branch = await startFollowing(bank.url, [1, 2]);
  const address = () => bank.replica.ledger.branches.get(2)?.address;
  const own = address();
  // As a program of an older release does, which does not say which copy it has.
  await clientOf(bank.url).replication.registerBranch({ branch: 2, name: "", address: "http://127.0.0.1:1" });
  await vi.waitUntil(() => address() === own, SOON);
  expect(branch.log.about("registers anew")).toMatchObject([
    { level: "error", fields: { branch: 2, address: own, address_on_record: "http://127.0.0.1:1" } },
  ]);
});

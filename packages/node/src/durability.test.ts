import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { consistency, type ServerClient } from "@bank/testkit";
import { describe, expect, it, vi } from "vitest";
import { accountWith, asked, failureOf, reasonOf, usd } from "./calls.test-util.ts";
import {
  clientOf,
  startFollowing,
  startTestBank,
  startTestBranches,
  type TestBank,
  temporaryFolder,
} from "./servers.test-util.ts";

/** Says from now on how many of these branches must have a write on their disks. */
async function count(client: ServerClient, copies: number, branches: number[]): Promise<void> {
  // A branch that is not connected yet cannot begin to count.
  await vi.waitFor(() => client.branches.setDurability({ requestId: randomUUID(), copies, branches }), {
    timeout: 10_000,
    interval: 20,
  });
}

const deposit = (client: ServerClient, account: string, timeoutMs = 10_000) =>
  client.transactions.deposit(asked({ account, amount: usd(1) }), { timeoutMs });

function ready({ replica }: TestBank): Promise<void> {
  return vi.waitFor(() => expect(replica.isAwaitingCopies).toBe(false), { timeout: 10_000, interval: 10 });
}

describe("a bank where branches count", () => {
  it("answers a write once they have it, and none where they are gone; it goes on when they are back", async () => {
    const bank = await startTestBank();
    const [one, two] = await Promise.all([1, 2].map((number) => startFollowing(bank.url, [number])));
    const client = clientOf(bank.url);
    const account = await accountWith(client, 100);
    await count(client, 2, [1, 2]);
    await deposit(client, account);
    const { committedPosition } = bank.replica;
    for (const branch of [one!, two!]) expect(branch.replica().savedPosition).toBeGreaterThanOrEqual(committedPosition);
    expect(await clientOf(one!.url).balance(account)).toBe(101n);
    await two!.close();
    // Until it is known that it is gone, a write may begin, and is not known to be committed at its deadline.
    const failure = await failureOf(deposit(client, account, 500));
    expect(["DEADLINE_EXCEEDED", "TOO_FEW_BRANCHES"]).toContain(failure.reason);
    if (failure.reason === "DEADLINE_EXCEEDED") {
      expect(failure.metadata["outcome"]).toBe("OUTCOME_UNKNOWN");
      expect(failure.metadata["waiting_for"]).toContain("on the bank's disk");
    }
    await vi.waitFor(async () => expect(await reasonOf(deposit(client, account, 500))).toBe("TOO_FEW_BRANCHES"), {
      timeout: 10_000,
      interval: 50,
    });
    // It cannot say either that it is still the bank.
    expect(await reasonOf(client.balance(account, { timeoutMs: 2_000 }))).not.toBe("");
    const { dataDir } = two!;
    const back = await startTestBranches(bank.url, [2], { dataDir });
    await vi.waitFor(() => deposit(client, account, 500), { timeout: 10_000, interval: 50 });
    const balance = await client.balance(account);
    expect(await clientOf(back.url).balance(account)).toBe(balance);
  });

  it("starts again only with them, and shows nothing before", async () => {
    const dataDir = join(await temporaryFolder(), "bank");
    const first = await startTestBank({ dataDir });
    const branches = await Promise.all([1, 2].map((number) => startFollowing(first.url, [number])));
    const account = await accountWith(clientOf(first.url), 100);
    await count(clientOf(first.url), 1, [1, 2]);
    await deposit(clientOf(first.url), account);
    const { port } = first;
    const [one, two] = branches.map(({ dataDir: folder }) => ({ dataDir: folder }));
    for (const branch of branches) await branch.close();
    await first.close();
    const second = await startTestBank({ dataDir, port });
    const client = clientOf(second.url);
    expect(second.replica.isAwaitingCopies).toBe(true);
    for (const call of [
      deposit(client, account),
      client.balance(account),
      client.balance(account, consistency("local")),
    ]) {
      const { reason, metadata } = await failureOf(call);
      expect([reason, metadata["problem"]]).toEqual([
        "NOT_READY",
        expect.stringMatching(/waits for 1 of the branches 1, 2 to have it, and 0 do/),
      ]);
    }
    const back = await startTestBranches(second.url, [2], two);
    await ready(second);
    await deposit(client, account);
    expect(await clientOf(back.url).balance(account)).toBe(102n);
    await startTestBranches(second.url, [1], one);
  });

  it("takes a branch that lost its disk for one that does not count, until it has its journal again", async () => {
    const bank = await startTestBank();
    const branches = await Promise.all([1, 2, 3].map((number) => startFollowing(bank.url, [number])));
    const client = clientOf(bank.url);
    const account = await accountWith(client, 100);
    await count(client, 2, [1, 2, 3]);
    await deposit(client, account);
    const [, , third] = branches;
    const before = bank.replica.ledger.durability;
    await third!.close();
    await rm(third!.dataDir, { recursive: true });
    const back = await startFollowing(bank.url, [3], { dataDir: third!.dataDir });
    await vi.waitFor(() => expect(bank.replica.ledger.durability.position).toBeGreaterThan(before.position), {
      timeout: 10_000,
      interval: 20,
    });
    const { members } = bank.replica.ledger.durability;
    expect(members.map(({ branch }) => branch)).toEqual([1, 2, 3]);
    expect(members[2]?.copyId).toEqual(back.replica().report().copyId);
    expect(members[2]?.copyId).not.toEqual(before.members[2]?.copyId);
    await vi.waitFor(() => expect(bank.replica.committedPosition).toBe(bank.replica.feed.appendedPosition));
    await branches[0]!.close();
    await vi.waitFor(() => deposit(client, account, 1_000), { timeout: 10_000, interval: 50 });
    expect(back.replica().savedPosition).toBe(bank.replica.committedPosition);
  });
});

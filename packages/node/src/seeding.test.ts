import { readdir } from "node:fs/promises";
import { dirname } from "node:path";
import { consistency, followJournal } from "@bank/testkit";
import { describe, expect, it, vi } from "vitest";
import { deposit, give, openAccount } from "./books.test-util.ts";
import { clientOf, startFollowing, startTestBank, startTestBranches, type TestBank } from "./servers.test-util.ts";

const SOON = () => AbortSignal.timeout(10_000);
/** Any snapshot is worth it. */
const ALWAYS = { recordsMin: 1, recordsPerEntry: 0 };
const NEVER = { recordsMin: Number.POSITIVE_INFINITY, recordsPerEntry: 0 };

/** A bank with a snapshot whose root is in the journal, and something behind it. */
async function bankWithSnapshot(): Promise<{ bank: TestBank; account: string; position: number }> {
  const bank = await startTestBank({ snapshotEveryRecords: 20 });
  const client = clientOf(bank.url);
  const account = await openAccount(client);
  for (let i = 0; bank.replica.ledger.root === undefined; i++) {
    expect(i).toBeLessThan(1_000);
    await give(client, deposit(0, account, 1n));
  }
  for (let i = 0; i < 5; i++) await give(client, deposit(0, account, 100n));
  return { bank, account, position: bank.replica.ledger.root.position };
}

function digestOf({ ledger }: { readonly ledger: { digestBytes(): Uint8Array } }): string {
  return Buffer.from(ledger.digestBytes()).toString("hex");
}

describe("a new branch", () => {
  it("begins from a snapshot, follows from there, and fetches what lies before it", async () => {
    const { bank, account, position } = await bankWithSnapshot();
    const branch = await startFollowing(bank.url, [1], { seedCosts: ALWAYS });
    expect(branch.log.about("goes on from a snapshot")).toHaveLength(1);
    expect(branch.replica().recovered?.snapshotPosition).toBe(position);
    const client = clientOf(branch.url);
    expect(await client.balance(account)).toBe(await clientOf(bank.url).balance(account));
    await branch.replica().whenApplied(bank.replica.committedPosition, SOON());
    expect(digestOf(branch.replica())).toBe(digestOf(bank.replica));
    await vi.waitUntil(() => branch.log.about("the journal is whole").length > 0);
    const whole = await followJournal(client, bank.replica.committedPosition);
    expect(whole.records.length).toBe(bank.replica.committedPosition);
    const early = await client.accounts.getBalance({ account, position: 6n }, consistency("local"));
    expect(early).toEqual(
      expect.objectContaining({
        posted: (await clientOf(bank.url).accounts.getBalance({ account, position: 6n })).posted,
      }),
    );
  });

  it("follows from the beginning where that is less", async () => {
    const { bank } = await bankWithSnapshot();
    const branch = await startFollowing(bank.url, [1]);
    expect(branch.replica().recovered).toBeUndefined();
    expect(digestOf(branch.replica())).toBe(digestOf(bank.replica));
  });
});

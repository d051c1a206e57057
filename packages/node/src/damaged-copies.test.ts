import { cp, mkdir, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { rest } from "@bank/testkit";
import { expect, it, vi } from "vitest";
import { deposit, give, openAccount } from "./books.test-util.ts";
import {
  clientOf,
  startFollowing,
  startTestBank,
  startTestBranches,
  type TestBranches,
  temporaryFolder,
} from "./servers.test-util.ts";

const PATIENT = { timeout: 10_000 };

/** Folders of copies that were put aside as damaged. */
async function damaged(dataDir: string): Promise<string[]> {
  return (await readdir(dataDir)).filter((name) => name.startsWith("journal.damaged-"));
}

function spoilMemory(branch: TestBranches): void {
  // As a flipped bit would.
  branch.replica().ledger.nextAccountNumber++;
}

it("a copy whose state turns out to be another than the bank's is put aside and begun anew, once in an hour", async () => {
  const bank = await startTestBank();
  const branch = await startFollowing(bank.url, [1]);
  const client = clientOf(branch.url);
  const account = await openAccount(client);
  spoilMemory(branch);
  const before = branch.replica();
  await give(clientOf(bank.url), deposit(0, account, 5n));
  await vi.waitUntil(() => branch.replica() !== before, PATIENT);
  await branch.replica().whenApplied(bank.replica.committedPosition, AbortSignal.timeout(10_000));
  expect(Buffer.from(branch.replica().ledger.digestBytes())).toEqual(Buffer.from(bank.replica.ledger.digestBytes()));
  expect(await damaged(branch.dataDir)).toHaveLength(1);
  expect(branch.log.about("the copy is damaged")).toHaveLength(1);
  expect(branch.log.about("the copy is damaged")[0]?.level).toBe("error");
  expect(branch.fatal).toEqual([]);
  await vi.waitFor(async () => expect(await client.balance(account)).toBe(5n), PATIENT);

  spoilMemory(branch);
  await give(clientOf(bank.url), deposit(0, account, 5n));
  await vi.waitUntil(() => branch.fatal.length > 0, PATIENT);
  expect(String(branch.fatal[0])).toMatch(/second time within an hour/);
  // Nothing was put aside for nothing, and nothing deleted.
  expect(await damaged(branch.dataDir)).toHaveLength(1);
});

it("a copy that is found damaged at a start is put aside and begun anew, once in an hour", async () => {
  const bank = await startTestBank();
  const first = await startFollowing(bank.url, [1]);
  const account = await openAccount(clientOf(first.url));
  await give(clientOf(first.url), deposit(1, account, 5n));
  const { dataDir } = first;
  await first.close();
  const spoil = () => {
    const file = new DatabaseSync(join(dataDir, "journal", "journal.db"));
    file.exec("DELETE FROM snapshots; UPDATE journal SET frame = zeroblob(length(frame)) WHERE first_position > 2");
    file.close();
  };
  spoil();
  const second = await startFollowing(bank.url, [1], { dataDir });
  expect(await clientOf(second.url).balance(account)).toBe(5n);
  expect(await damaged(dataDir)).toHaveLength(1);
  await second.close();
  spoil();
  await expect(startTestBranches(bank.url, [1], { dataDir })).rejects.toThrow(/second time within an hour/);
  expect(await damaged(dataDir)).toHaveLength(1);
});

it("two copies with one id are told of at the bank", async () => {
  const bank = await startTestBank();
  const first = await startFollowing(bank.url, [1]);
  await first.close();
  const copied = join(await temporaryFolder(), "copied");
  await mkdir(dirname(copied), { recursive: true });
  await cp(first.dataDir, copied, { recursive: true });
  const again = await startFollowing(bank.url, [1], { dataDir: first.dataDir });
  await rest(20);
  // A copy that starts again is no other.
  expect(bank.log.about("with one id")).toEqual([]);
  await startFollowing(bank.url, [2], { dataDir: copied });
  await vi.waitUntil(() => bank.log.about("with one id").length > 0, PATIENT);
  expect(bank.log.about("with one id")[0]?.level).toBe("error");
  await again.close();
});

import { join } from "node:path";
import { consistency, followJournal } from "@bank/testkit";
import { expect, it, vi } from "vitest";
import { deposit, give, openAccount } from "./books.test-util.ts";
import { startPrevious, unpackPreviousRelease } from "./previous-release.test-util.ts";
import { clientOf, startFollowing, startTestBank, startTestBranches, temporaryFolder } from "./servers.test-util.ts";

const SOON = () => AbortSignal.timeout(10_000);
/** Any snapshot would be worth it. */
const ALWAYS = { recordsMin: 1, recordsPerEntry: 0 };

it("a branch of today follows a bank of the previous release, reads, writes, and starts again", async () => {
  const programs = await unpackPreviousRelease();
  const dataDir = join(await temporaryFolder(), "bank");
  const bank = await startPrevious(programs, "bank-server", ["--listen", "127.0.0.1:0", "--data", dataDir]);
  const first = await startFollowing(bank.url, [1], { seedCosts: ALWAYS });
  const account = await openAccount(clientOf(first.url));
  const order = deposit(1, account, 40n);
  const reply = await give(clientOf(first.url), order);
  expect(await clientOf(first.url).balance(account)).toBe(40n);
  await give(clientOf(bank.url), deposit(0, account, 2n));
  // Newer than anything that the branch has been told: it asked.
  expect(await clientOf(first.url).balance(account)).toBe(42n);
  expect((await clientOf(first.url).status()).connected).toBe(false);
  await first.close();
  await give(clientOf(bank.url), deposit(0, account, 3n));

  const again = await startFollowing(bank.url, [1], { dataDir: first.dataDir });
  const client = clientOf(again.url);
  expect(await client.balance(account)).toBe(45n);
  expect(await give(client, order)).toEqual({ ...reply, replayed: true });
  expect((await client.status()).digest).toBe((await clientOf(bank.url).status()).digest);
  expect(again.fatal).toEqual([]);
  // Whoever follows this branch is told the truth too.
  const leaf = clientOf((await startFollowing(again.url, [2])).url);
  await give(leaf, deposit(2, account, 5n));
  expect(await leaf.balance(account)).toBe(50n);
});

it("a branch of the previous release follows a bank of today, and both are upgraded, the branch first", async () => {
  const programs = await unpackPreviousRelease();
  const folder = await temporaryFolder();
  const bankDir = join(folder, "bank");
  const branchDir = join(folder, "branch");
  const old = await startPrevious(programs, "bank-server", ["--listen", "127.0.0.1:0", "--data", bankDir]);
  const account = await openAccount(clientOf(old.url));
  await give(clientOf(old.url), deposit(0, account, 10n));
  await old.stop();

  const bank = await startTestBank({ dataDir: bankDir });
  expect(bank.replica.ledger.formatLevel).toBe(2);
  const flags = ["--id", "1", "--bank", bank.url, "--listen", "127.0.0.1:0", "--data", branchDir];
  const oldBranch = await startPrevious(programs, "branch-replica", flags);
  const client = clientOf(oldBranch.url);
  await vi.waitUntil(() => bank.replica.ledger.branches.has(1), { timeout: 10_000 });
  await give(client, deposit(1, account, 5n));
  expect(await client.balance(account)).toBe(15n);
  await give(clientOf(bank.url), deposit(0, account, 1n));
  expect(await client.balance(account)).toBe(16n);
  expect((await client.status()).digest).toBe((await clientOf(bank.url).status()).digest);
  await oldBranch.stop();

  const branch = await startFollowing(bank.url, [1], { dataDir: branchDir });
  expect(await clientOf(branch.url).balance(account)).toBe(16n);
  // An old branch would take the position of whom it follows for the bank's.
  const followBranch = async () => {
    for await (const _ of clientOf(branch.url).journal.follow({ follower: "branch 2" }));
  };
  await expect(followBranch()).rejects.toThrow(/can follow only the bank itself/);
  const { port } = bank;
  await bank.close();
  const raised = await startTestBank({ dataDir: bankDir, port, raiseFormatLevel: true });
  expect(raised.replica.ledger.formatLevel).toBeGreaterThan(2);
  await branch.replica().whenApplied(raised.replica.committedPosition, SOON());
  expect(await clientOf(branch.url).balance(account, consistency("local"))).toBe(16n);
  expect((await followJournal(clientOf(branch.url), raised.replica.committedPosition)).records.length).toBe(
    raised.replica.committedPosition,
  );
  // From now on an old branch is told why it cannot follow, before it reads what it does not understand.
  const follow = async () => {
    for await (const _ of clientOf(raised.url).journal.follow({ follower: "branch 2" }));
  };
  await expect(follow()).rejects.toThrow(/at format level [0-9]+, and branch 2 understands it up to level 2/);
  const late = ["--id", "2", "--bank", raised.url, "--listen", "127.0.0.1:0", "--data", join(folder, "late")];
  const stranded = clientOf((await startPrevious(programs, "branch-replica", late)).url);
  await expect(stranded.balance(account)).rejects.toThrow(/no connection to the bank/);
});

it("a branch of the previous release is no upstream: it passes nothing on", async () => {
  const programs = await unpackPreviousRelease();
  const folder = await temporaryFolder();
  const bankArgs = ["--listen", "127.0.0.1:0", "--data", join(folder, "bank")];
  const bank = await startPrevious(programs, "bank-server", bankArgs);
  const flags = ["--id", "1", "--bank", bank.url, "--listen", "127.0.0.1:0", "--data", join(folder, "b")];
  const parent = await startPrevious(programs, "branch-replica", flags);
  const account = await vi.waitFor(() => openAccount(clientOf(parent.url)), { timeout: 10_000 });
  const child = await startTestBranches(parent.url, [2]);
  await vi.waitUntil(() => child.log.lines.some(({ fields }) => String(fields["problem"]).includes("older release")));
  await expect(clientOf(child.url).balance(account)).rejects.toThrow(/Branch 2/);
});

import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { connectBank } from "@bank/client";
import { EPOCHS_PER_LINE } from "@bank/core";
import { EPOCH_HEADER, failureFromConnectError } from "@bank/rpc";
import { consistency, type ServerClient, startBankProcess } from "@bank/testkit";
import { ConnectError } from "@connectrpc/connect";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { openAccount } from "./books.test-util.ts";
import { silentLog } from "./log.ts";
import { promote } from "./promote.ts";
import { freePort, promotionOf } from "./promotion.test-util.ts";
import { healFrom } from "./recover-loss.ts";
import {
  clientOf,
  crashImage,
  startFollowing,
  startTestBank,
  startTestBranches,
  temporaryFolder,
} from "./servers.test-util.ts";
import { SupersededError } from "./superseded-file.ts";

const SOON = () => AbortSignal.timeout(10_000);
const usd = (amountMinor: bigint) => ({ currencyCode: "USD", amountMinor });

async function reasonOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    const failure = error instanceof ConnectError ? failureFromConnectError(error) : undefined;
    if (failure === undefined) throw error;
    return failure.reason;
  }
  return "done";
}

/** Counts a write once it is on the disks of so many branches. */
async function setDurability(client: ServerClient, copies: number, branches: number[]): Promise<void> {
  await vi.waitUntil(
    async () => {
      const { branches: known } = await client.branches.listBranches({});
      return branches.every((number) => known.find((branch) => branch.number === number)?.status?.connected);
    },
    { timeout: 10_000, interval: 20 },
  );
  await client.branches.setDurability({ requestId: randomUUID(), copies, branches });
}

interface Startable {
  readonly url: string;
}

/** A bank and two branches, of which one must have each write. */
async function startCounted<Bank extends Startable>(start: (dataDir: string) => Promise<Bank>) {
  const folder = await temporaryFolder();
  const bankDir = join(folder, "bank");
  const newPort = await freePort();
  const newUrl = `http://127.0.0.1:${newPort}`;
  const bank = await start(bankDir);
  const folderOne = join(folder, "one");
  const one = await startFollowing(bank.url, [1], { dataDir: folderOne });
  const folderTwo = join(folder, "two");
  const two = await startFollowing(bank.url, [2], { dataDir: folderTwo, otherUpstreams: [newUrl] });
  const atBank = clientOf(bank.url);
  await setDurability(atBank, 1, [1, 2]);
  const account = await openAccount(atBank);
  return { bankDir, folderOne, folderTwo, newPort, newUrl, bank, one, two, account };
}

describe("a bank that is lost with its disk, where one of two branches must have each write,", {
  timeout: 60_000,
}, () => {
  it("lives on in a branch with everything that was acknowledged; branches and clients follow it", async () => {
    const { bankDir, folderOne, newPort, newUrl, bank, one, two, account } = await startCounted(async (dataDir) => {
      const process = await startBankProcess({ dataDir });
      onTestFinished(() => process.kill());
      return process;
    });
    const sdk = connectBank({ servers: [bank.url, newUrl], timeoutMs: 20_000 });
    onTestFinished(() => sdk.close());
    // Money comes in on all ways until the bank dies.
    let acknowledged = 0;
    const customers = [clientOf(one.url), clientOf(two.url), clientOf(bank.url)].map(async ({ transactions }) => {
      for (;;) {
        await transactions.deposit({ requestId: randomUUID(), account, amount: usd(1n) });
        acknowledged++;
      }
    });
    const ended = Promise.allSettled(customers);
    await sdk.deposit(account, { currency: "USD", minor: 1_000n });
    await vi.waitUntil(() => acknowledged > 50, { timeout: 10_000 });
    await bank.kill();
    await ended;
    await rm(bankDir, { recursive: true });
    const told = acknowledged;
    await one.close();

    const promoted = await promote(promotionOf(folderOne));
    expect(promoted).toMatchObject({
      epoch: EPOCHS_PER_LINE,
      promises: { given: 2, needed: 2 },
      durability: { copies: 1, branches: [2] },
    });
    const newBank = await startTestBank({ dataDir: folderOne, port: newPort });
    await two.whenFollowing(SOON());
    const { minor } = (await sdk.balance(account)).posted;
    expect(minor).toBeGreaterThanOrEqual(1_000n + BigInt(told));
    // Begun and not acknowledged: one for each customer at most.
    expect(minor).toBeLessThanOrEqual(1_000n + BigInt(told + customers.length));
    const atTwo = clientOf(two.url);
    expect(await atTwo.balance(account)).toBe(minor);
    await sdk.deposit(account, { currency: "USD", minor: 5n });
    await atTwo.transactions.deposit({ requestId: randomUUID(), account, amount: usd(5n) });
    expect(await clientOf(newBank.url).balance(account)).toBe(minor + 10n);
    expect(newBank.replica.ledger.durability).toMatchObject({ copies: 1, members: [{ branch: 2 }] });
  });

  it("can commit nothing when it comes back, is stopped by those who know better, and stays stopped", async () => {
    const { bankDir, folderOne, folderTwo, newPort, newUrl, bank, one, two, account } = await startCounted((dataDir) =>
      startTestBank({ dataDir }),
    );
    const { port } = bank;
    const atOld = clientOf(bank.url);
    await atOld.transactions.deposit({ requestId: randomUUID(), account, amount: usd(100n) });
    await bank.close();
    await one.close();
    await promote(promotionOf(folderOne));
    const newBank = await startTestBank({ dataDir: folderOne, port: newPort });
    await two.whenFollowing(SOON());
    await clientOf(newBank.url).transactions.deposit({ requestId: randomUUID(), account, amount: usd(1n) });
    const { readInfo } = await clientOf(two.url).accounts.getBalance({ account });
    expect(readInfo?.epoch).toBe(BigInt(EPOCHS_PER_LINE + 1));

    // The branch testifies that another bank has taken its place.
    const image = await crashImage(bankDir);
    await expect(startTestBank({ dataDir: image, witnessTimeoutMs: 5_000 })).rejects.toThrow(SupersededError);
    await expect(healFrom(two.url, { dataDir: image, log: silentLog })).rejects.toThrow(
      /another bank has taken its place/,
    );

    // Where nobody is there to say so, none of those that count acknowledges its epoch.
    await two.close();
    const old = await startTestBank({ dataDir: bankDir, port });
    const order = { requestId: randomUUID(), account, amount: usd(1n) };
    expect(await reasonOf(atOld.accounts.getBalance({ account }))).toBe("NOT_READY");
    expect(await reasonOf(atOld.transactions.deposit(order))).toBe("NOT_READY");
    const again = await startFollowing(old.url, [2], { dataDir: folderTwo, otherUpstreams: [newUrl] });
    // The branch has asked it first, or else a client does that has seen the new bank.
    const knowing = { headers: { [EPOCH_HEADER]: String(readInfo?.epoch) } };
    expect(await reasonOf(atOld.accounts.getBalance({ account }, knowing))).toBe("EPOCH_SUPERSEDED");
    expect(await reasonOf(atOld.transactions.deposit(order))).toBe("EPOCH_SUPERSEDED");
    await old.close();
    await expect(startTestBank({ dataDir: bankDir })).rejects.toThrow(SupersededError);
    expect(await clientOf(again.url).balance(account)).toBe(101n);
  });
});

describe("a bank that comes back after a promotion without copies that count", { timeout: 60_000 }, () => {
  it("is stopped by the first branch that asks it", async () => {
    const folder = await temporaryFolder();
    const [bankDir, folderOne, folderTwo] = ["bank", "one", "two"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    const old = await startTestBank({ dataDir: bankDir });
    const newPort = await freePort();
    const one = await startFollowing(old.url, [1], { dataDir: folderOne });
    const upstreams = { dataDir: folderTwo, otherUpstreams: [`http://127.0.0.1:${newPort}`] };
    const two = await startFollowing(old.url, [2], upstreams);
    const account = await openAccount(clientOf(old.url));
    const end = old.replica.committedPosition;
    for (const branch of [one, two]) await branch.replica().whenApplied(end, SOON());
    await one.close();
    await old.close();
    await promote(promotionOf(folderOne, { oldBankIsStopped: true, acceptLoss: true, evenThoughBehind: true }));
    const newBank = await startTestBank({ dataDir: folderOne, port: newPort });
    await two.whenFollowing(SOON());
    await two.replica().whenApplied(newBank.replica.committedPosition, SOON());
    await two.close();

    // Nobody is there to witness against it.
    const returned = await startTestBank({ dataDir: bankDir, port: old.port });
    await clientOf(returned.url).transactions.deposit({ requestId: randomUUID(), account, amount: usd(9n) });
    // It is the first in the list of the branch, and answers, until the branch asks.
    const again = await startTestBranches(old.url, [2], upstreams);
    await again.whenFollowing(SOON());
    expect(returned.replica.isSuperseded).toBe(true);
    expect(await reasonOf(clientOf(returned.url).accounts.getBalance({ account }))).toBe("EPOCH_SUPERSEDED");
    expect(await clientOf(again.url).balance(account)).toBe(0n);
    await clientOf(again.url).transactions.deposit({ requestId: randomUUID(), account, amount: usd(3n) });
    expect(await clientOf(newBank.url).balance(account)).toBe(3n);
  });
});

describe("a copy that has promised to wait for a newer epoch", { timeout: 60_000 }, () => {
  it("leaves its bank for good, which learns of it and stops; also after it was started again", async () => {
    const dataDir = join(await temporaryFolder(), "branch");
    const bank = await startTestBank();
    const branch = await startFollowing(bank.url, [1], { dataDir });
    const client = clientOf(branch.url);
    const account = await openAccount(client);
    const candidate = new Uint8Array(16).fill(3);
    const { bankId } = bank;
    const ask = (epoch: number, who = candidate) =>
      client.journal.promiseEpoch({ bankId, epoch: BigInt(epoch), candidate: who });
    const { position } = await branch.replica().lastSaved();
    expect(position).toBe(branch.replica().appliedPosition);
    // Not for an epoch that has begun, and not for one that nobody can have come to.
    expect(await ask(1)).toMatchObject({ promised: false, promisedEpoch: 1n });
    expect(await reasonOf(ask(1_000 * EPOCHS_PER_LINE))).toBe("INVALID_REQUEST");
    expect(await reasonOf(client.journal.promiseEpoch({ bankId: candidate, epoch: 2n, candidate }))).toBe(
      "INVALID_REQUEST",
    );
    expect(await ask(EPOCHS_PER_LINE)).toMatchObject({
      promised: true,
      promisedEpoch: BigInt(EPOCHS_PER_LINE),
      lastEpoch: 1n,
      position: BigInt(position),
      chainHash: (await branch.replica().lastSaved()).chainHash,
      branches: [1],
    });
    // Of what its bank writes from now on, before it hears of it, nothing comes any more: its stream ended with the promise.
    const late = { requestId: randomUUID(), account, amount: usd(1n) };
    await Promise.allSettled([clientOf(bank.url).transactions.deposit(late)]);
    expect(await ask(EPOCHS_PER_LINE)).toMatchObject({ promised: true });
    expect(await ask(EPOCHS_PER_LINE, new Uint8Array(16).fill(4))).toMatchObject({ promised: false });
    await vi.waitUntil(() => bank.replica.isSuperseded, { timeout: 10_000 });
    expect(branch.replica().savedPosition).toBe(position);

    // Another process of the old bank, that has heard of nothing.
    await branch.close();
    const { dataDir: bankDir } = bank;
    await bank.close();
    await rm(join(bankDir, "superseded.json"));
    const old = await startTestBank({ dataDir: bankDir, port: bank.port });
    const again = await startTestBranches(bank.url, [1], { dataDir });
    await vi.waitUntil(() => old.replica.isSuperseded, { timeout: 10_000 });
    expect(again.replica().savedPosition).toBe(position);
    expect(await clientOf(again.url).balance(account, consistency("local"))).toBe(0n);
  });
});

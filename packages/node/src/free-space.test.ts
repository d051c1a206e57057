import { randomUUID } from "node:crypto";
import { whereDisksCanBeMade } from "@bank/store/testing";
import { expect, it, vi } from "vitest";
import { accountWith, asked, failureOf, usd } from "./calls.test-util.ts";
import { clientOf, startFollowing, startTestBank } from "./servers.test-util.ts";

const MIB = 1024 * 1024;
/** Looked at often, so that little is waited for. */
const MARK = { minFreeBytes: 128 * MIB, lookEveryMs: 20 };
const PATIENT = { timeout: 10_000, interval: 20 };

const FULL = { reason: "STORE_FULL", metadata: { outcome: "NOT_APPLIED" } };

whereDisksCanBeMade("servers on a disk with a mark", (makeDisk) => {
  it("the bank stops writing at it, reads on, also anew, and writes on by itself", async () => {
    const disk = makeDisk(300 * MIB);
    const dataDir = `${disk.folder}/bank`;
    const bank = await startTestBank({ dataDir, ...MARK, history: "eager" });
    const client = clientOf(bank.url);
    const account = await accountWith(client, 500);
    const first = asked({ account, amount: usd(1) });
    await client.transactions.deposit(first);

    disk.resize(100 * MIB);
    await vi.waitFor(() => expect(bank.log.about("too little room")).toHaveLength(1), PATIENT);
    expect(bank.log.about("too little room")[0]).toMatchObject({
      level: "error",
      fields: { stops: "writes, snapshots and the history", problem: expect.stringMatching(/9\d\.\d MiB left/) },
    });
    const second = asked({ account, amount: usd(2) });
    const { error, ...failure } = await failureOf(client.transactions.deposit(second));
    expect(failure).toMatchObject(FULL);
    // No customer needs to know where the bank's disk is, or how large.
    expect(error.message + JSON.stringify(failure.metadata)).not.toMatch(/MiB|\//);
    expect((await client.transactions.deposit(first)).transaction).toBeDefined();
    expect(await client.balance(account)).toBe(501n);
    await bank.close();

    const again = await startTestBank({ dataDir, ...MARK });
    const anew = clientOf(again.url);
    expect(await anew.balance(account)).toBe(501n);
    expect(await failureOf(anew.transactions.deposit(second))).toMatchObject(FULL);

    disk.resize(300 * MIB);
    await vi.waitFor(() => anew.transactions.deposit(second), PATIENT);
    await vi.waitFor(() => expect(again.log.about("has room again")).toHaveLength(1), PATIENT);
    expect(await anew.balance(account)).toBe(503n);
    expect(again.fatal).toEqual([]);
  });

  it("a branch shows on what it cannot save, says so, and saves it once there is room", async () => {
    const bank = await startTestBank();
    const disk = makeDisk(300 * MIB);
    const branch = await startFollowing(bank.url, [1], { dataDir: `${disk.folder}/branch`, ...MARK });
    const atBranch = clientOf(branch.url);
    const account = await accountWith(atBranch, 500);
    await vi.waitFor(() => expect(branch.replica().savedPosition).toBe(bank.replica.committedPosition), PATIENT);
    const saved = branch.replica().savedPosition;

    disk.resize(100 * MIB);
    await vi.waitFor(() => expect(branch.log.about("too little room")).toHaveLength(1), PATIENT);
    await atBranch.transactions.deposit(asked({ account, amount: usd(1) }));
    expect(await atBranch.balance(account)).toBe(501n);
    await vi.waitFor(() => expect(branch.log.about("cannot save")).not.toEqual([]), PATIENT);
    expect(String(branch.log.about("cannot save")[0]?.fields["problem"])).toMatch(/append to the journal: the disk of/);
    expect(branch.replica().savedPosition).toBe(saved);

    disk.resize(300 * MIB);
    await vi.waitFor(() => expect(branch.replica().savedPosition).toBe(bank.replica.committedPosition), PATIENT);
    expect(branch.log.about("has room again")).toHaveLength(1);
    expect(branch.fatal).toEqual([]);
  });

  it("without one, a disk that is really full refuses writes with the same word, and nothing is lost", async () => {
    const disk = makeDisk(2 * MIB);
    const dataDir = `${disk.folder}/bank`;
    const bank = await startTestBank({ dataDir, minFreeBytes: 0 });
    const client = clientOf(bank.url);
    const account = await accountWith(client, 500);
    // No two alike: what is the same in a batch is written once.
    const metadata = () =>
      Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`key${i}`, `${randomUUID()} ${randomUUID()}`]));
    const opened: string[] = [];
    const open = async () => {
      const { account: made } = await client.accounts.openAccount(asked({ currencyCode: "USD", metadata: metadata() }));
      opened.push(made?.number ?? "");
    };
    let failed: PromiseRejectedResult | undefined;
    for (let round = 0; round < 100 && failed === undefined; round++) {
      const ended = await Promise.allSettled(Array.from({ length: 64 }, open));
      failed = ended.find((each) => each.status === "rejected");
    }
    expect(await failureOf(Promise.reject(failed?.reason))).toMatchObject(FULL);
    expect(opened.length).toBeGreaterThan(100);
    expect(await client.balance(account)).toBe(500n);
    expect(bank.log.about("append refused")[0]?.fields["problem"]).toMatch(/full/);
    await bank.close();

    disk.resize(30 * MIB);
    const again = await startTestBank({ dataDir, minFreeBytes: 0 });
    const anew = clientOf(again.url);
    const { ledger } = again.replica;
    expect(opened.filter((number) => ledger.findCustomerAccount(number) === undefined)).toEqual([]);
    // What was refused was not done.
    expect(ledger.findCustomerAccount(String(Math.max(...opened.map(Number)) + 1))).toBeUndefined();
    await anew.transactions.deposit(asked({ account, amount: usd(1) }));
    expect(await anew.balance(account)).toBe(501n);
  });
});

import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BankClient, BankError, connectBank } from "@bank/client";
import { StoreLockedError } from "@bank/store/errors";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silentLog } from "./log.ts";
import { type RunningBank, startBank } from "./start-bank.ts";
import { type RunningBranches, startBranch } from "./start-branch.ts";

const usd = (minor: bigint) => ({ currency: "USD", minor });

describe("a bank and its branches", { timeout: 30_000 }, () => {
  let folder: string;
  let bank: RunningBank;
  /** Branches 1 and 2 in one process, with one copy. */
  let pair: RunningBranches;
  /** Branch 3 with a copy of its own. */
  let single: RunningBranches;
  let clients: BankClient[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "bank-branch-"));
    clients = [];
    bank = await startBank(bankOptions());
    [pair, single] = await Promise.all([startBranch(pairOptions()), startBranch(singleOptions())]);
    const signal = AbortSignal.timeout(20_000);
    await Promise.all([pair.whenFollowing(signal), single.whenFollowing(signal)]);
  });

  afterEach(async () => {
    for (const client of clients) client.close();
    await Promise.all([pair.close(), single.close()]);
    await bank.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("books cash at the branch where it changed hands, also where branches share a process", async () => {
    await at(0).openAccount({});
    for (const [branch, minor] of [0, 1, 2, 3].map((number) => [number, BigInt(10 ** number)] as const))
      await at(branch).deposit("1", usd(minor));
    const { accounts } = await at(2).listAccountsPage({ includeInternal: true });
    const balances = new Map(accounts.map(({ number, posted }) => [number, posted.minor]));
    expect(balances).toEqual(
      new Map([
        ["1", 1_111n],
        ["cash/0/USD", -1n],
        ["cash/1/USD", -10n],
        ["cash/2/USD", -100n],
        ["cash/3/USD", -1_000n],
      ]),
    );
  });

  it("answers a branch's writes only once the branch shows them, even to a local read", async () => {
    await at(3).openAccount({});
    for (let deposits = 1n; deposits <= 20n; deposits++) {
      await at(3).deposit("1", usd(1n));
      expect((await at(3).balance("1", { consistency: "local" })).posted.minor).toBe(deposits);
    }
  });

  it("lets a branch go on from its own copy after a restart", async () => {
    await at(1).openAccount({});
    const { position } = await at(1).deposit("1", usd(500n));
    await single.replica().whenApplied(position);
    await single.close();
    await at(1).deposit("1", usd(250n));
    single = await startBranch(singleOptions());
    expect(single.replica().recovered?.replay.ledger.position).toBeGreaterThanOrEqual(position);
    expect((await at(3).balance("1")).posted.minor).toBe(750n);
    await expectEqualDigests();
  });

  it("survives a restart of the bank: reads go on, writes fail as unknown, and all comes back by itself", async () => {
    await at(1).openAccount({});
    await at(1).deposit("1", usd(500n));
    const { port } = bank;
    await bank.close();
    expect((await at(1).balance("1", { consistency: "local" })).posted.minor).toBe(500n);
    const requestId = randomUUID();
    const refused = await failure(at(1).deposit("1", usd(25n), { requestId, timeoutMs: 300 }));
    expect(refused.outcome).toBe("OUTCOME_UNKNOWN");
    // The branch itself says so at once, however long the client goes on trying.
    await expect(pair.replica().read({ mode: "linearizable" }, () => undefined)).rejects.toMatchObject({
      refusal: { reason: "BANK_UNREACHABLE" },
    });
    await expect(pair.replica().submit([])).rejects.toMatchObject({
      refusal: { reason: "BANK_UNREACHABLE", outcome: "OUTCOME_UNKNOWN" },
    });

    bank = await startBank({ ...bankOptions(), port });
    const { replayed } = await at(1).deposit("1", usd(25n), { requestId });
    expect(replayed).toBe(false);
    expect((await at(2).balance("1")).posted.minor).toBe(525n);
    await expectEqualDigests();
  });

  it("honours a session at every branch, and refuses one that is not its own", async () => {
    const here = at(1);
    await here.openAccount({});
    await here.deposit("1", usd(500n));
    const there = connectBank({ server: url(3), session: here.session, consistency: "session" });
    clients.push(there);
    expect((await there.balance("1")).posted.minor).toBe(500n);

    const other = await startBank({ dataDir: join(folder, "other"), log: silentLog });
    try {
      const stranger = connectBank({ server: other.url });
      clients.push(stranger);
      await stranger.openAccount({});
      const mixed = connectBank({ server: url(3), session: stranger.session, consistency: "session" });
      clients.push(mixed);
      expect(await failure(mixed.balance("1"))).toMatchObject({ reason: "SESSION_INVALID", code: "INVALID_ARGUMENT" });
    } finally {
      await other.close();
    }
  });

  it("goes on with a list at another branch, without the accounts that were opened meanwhile", async () => {
    for (let i = 0; i < 5; i++) await at(1).openAccount({ owner: `customer ${i}` });
    const first = await at(1).listAccountsPage({ pageSize: 2 });
    await at(2).openAccount({ owner: "late" });
    const second = await at(3).listAccountsPage({ pageSize: 2, pageToken: first.nextPageToken });
    const third = await at(0).listAccountsPage({ pageSize: 2, pageToken: second.nextPageToken });
    expect([first, second, third].flatMap(({ accounts }) => accounts.map(({ number }) => number))).toEqual([
      "1",
      "2",
      "3",
      "4",
      "5",
    ]);
    expect(third.nextPageToken).toBeUndefined();
    expect(await failure(at(1).listAccountsPage({ pageToken: "nonsense" }))).toMatchObject({
      code: "INVALID_ARGUMENT",
    });
  });

  it("gives the same reply to a request id at every branch, and an error to another body", async () => {
    await at(1).openAccount({});
    const requestId = randomUUID();
    const first = await at(1).deposit("1", usd(500n), { requestId });
    const again = await at(3).deposit("1", usd(500n), { requestId });
    expect(again.transaction).toEqual(first.transaction);
    expect([first.replayed, again.replayed]).toEqual([false, true]);
    expect(await failure(at(2).deposit("1", usd(501n), { requestId }))).toMatchObject({
      reason: "REQUEST_ID_REUSED",
      code: "ALREADY_EXISTS",
    });
    const overdrawn = randomUUID();
    const rejected = await failure(at(1).withdraw("1", usd(501n), { requestId: overdrawn }));
    await at(1).deposit("1", usd(500n));
    // Enough now; but this id was told no, and stays told no.
    expect((await failure(at(2).withdraw("1", usd(501n), { requestId: overdrawn }))).message).toBe(rejected.message);
  });

  it("refuses a second server on the same folder, and a port that is taken", async () => {
    await expect(startBank(bankOptions())).rejects.toBeInstanceOf(StoreLockedError);
    const elsewhere = { ...bankOptions(), dataDir: join(folder, "elsewhere"), port: bank.port };
    await expect(startBank(elsewhere)).rejects.toMatchObject({ code: "EADDRINUSE" });
    // What failed gave its folder back.
    await (await startBank({ ...elsewhere, port: 0 })).close();
  });

  function bankOptions() {
    return { dataDir: join(folder, "bank"), log: silentLog, witnessTimeoutMs: 2_000 };
  }

  function pairOptions() {
    const branches = [1, 2].map((number) => ({ number, port: 0 }));
    return { branches, bankUrl: bank.url, dataDir: join(folder, "pair"), log: silentLog };
  }

  function singleOptions() {
    return { branches: [{ number: 3, port: 0 }], bankUrl: bank.url, dataDir: join(folder, "single"), log: silentLog };
  }

  function url(branch: number): string {
    const found = [...pair.branches, ...single.branches].find(({ number }) => number === branch);
    return found?.url ?? bank.url;
  }

  /** A client of a branch, or of the bank for 0. */
  function at(branch: number): BankClient {
    const client = connectBank({ server: url(branch), timeoutMs: 20_000 });
    clients.push(client);
    return client;
  }

  async function failure(call: Promise<unknown>): Promise<BankError> {
    const error: unknown = await call.catch((thrown: unknown) => thrown);
    if (error instanceof BankError) return error;
    throw new Error(`the call was expected to be refused: ${String(error)}`);
  }

  async function expectEqualDigests(): Promise<void> {
    const statuses = await Promise.all([0, 2, 3].map(async (number) => (await at(number).thisBranch()).branch.status));
    expect(statuses[0]?.appliedPosition).toBeGreaterThan(0);
    for (const status of statuses) {
      expect(status?.appliedPosition).toBe(statuses[0]?.appliedPosition);
      expect(status?.digest).toBe(statuses[0]?.digest);
    }
  }
});

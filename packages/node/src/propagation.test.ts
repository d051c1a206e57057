import { PropagationMode, type ReadInfo } from "@bank/proto";
import { DROPPED_MS } from "@bank/replica";
import { PROPAGATION_HEADER } from "@bank/rpc";
import { consistency, FaultProxy, type ServerClient } from "@bank/testkit";
import type { CallOptions } from "@connectrpc/connect";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { accountWith, asked, item, reasonOf, usd } from "./calls.test-util.ts";
import { clientOf, startFollowing, startTestBank, type TestBank, type TestBranches } from "./servers.test-util.ts";

const LOCAL = consistency("local");

/** Call options of a write that should spread so far, within so long. */
const spreading = (to: string, timeoutMs = 10_000): CallOptions => ({
  headers: { [PROPAGATION_HEADER]: to },
  timeoutMs,
});

interface Servers {
  readonly bank: TestBank;
  readonly branches: readonly TestBranches[];
  readonly clients: readonly ServerClient[];
  readonly account: string;
  deposit(client: ServerClient, options?: CallOptions): Promise<ReadInfo>;
}

/** A bank with branches 1, 2, … that are connected to it, and an account. */
async function startServers(count: number, bankUrl = (bank: TestBank, _number: number) => bank.url): Promise<Servers> {
  const bank = await startTestBank();
  const branches = await Promise.all(
    Array.from({ length: count }, (_, i) => startFollowing(bankUrl(bank, i + 1), [i + 1])),
  );
  const account = await accountWith(clientOf(bank.url), 100);
  await connected(bank, branches);
  return {
    bank,
    branches,
    clients: branches.map(({ url }) => clientOf(url)),
    account,
    deposit: async ({ transactions }, options) => {
      const { readInfo } = await transactions.deposit(asked({ account, amount: usd(1) }), options);
      if (readInfo === undefined) throw new Error("a reply says what it is of");
      return readInfo;
    },
  };
}

function connected({ replica: bank }: TestBank, branches: readonly TestBranches[]): Promise<void> {
  return vi.waitFor(
    () => {
      for (const branch of branches) {
        const replica = branch.replica();
        expect(replica.connected).toBe(true);
        expect(bank.members.connectedMs(replica.report())).toBeGreaterThan(0);
      }
    },
    { timeout: 10_000, interval: 10 },
  );
}

describe("a write that should be shown everywhere", () => {
  it("is, at every connected branch, before it is answered: wherever it was asked for", async () => {
    const { bank, clients, account, deposit } = await startServers(3);
    let balance = 100n;
    for (const client of [...clients, clientOf(bank.url)]) {
      const { propagation } = await deposit(client, spreading("all-branches"));
      balance++;
      const shown = await Promise.all(clients.map((other) => other.balance(account, LOCAL)));
      expect(shown).toEqual([balance, balance, balance]);
      expect(propagation).toMatchObject({
        asked: PropagationMode.ALL_BRANCHES,
        satisfied: true,
        copiesReached: 3,
        reached: [1, 2, 3],
        missing: [],
        disconnected: [],
        appliedHere: true,
      });
    }
  });

  it("is answered in time where a branch does not get it, as done, with who lacks it; later without that branch", async () => {
    const proxies = new Map<number, FaultProxy>();
    const bank = await startTestBank();
    const proxy = await FaultProxy.start({ target: bank.url });
    onTestFinished(() => proxy.close());
    proxies.set(2, proxy);
    const branches = await Promise.all([startFollowing(bank.url, [1]), startFollowing(proxy.url, [2])]);
    const account = await accountWith(clientOf(bank.url), 100);
    await connected(bank, branches);
    const [atOne, atTwo] = branches.map(({ url }) => clientOf(url)) as [ServerClient, ServerClient];
    proxy.cut("both");
    const startedMs = performance.now();
    const { readInfo } = await atOne.transactions.deposit(
      asked({ account, amount: usd(1) }),
      spreading("all-branches", 800),
    );
    expect(performance.now() - startedMs).toBeLessThan(800);
    expect(readInfo?.propagation).toMatchObject({ satisfied: false, reached: [1], missing: [2], disconnected: [] });
    expect(await atOne.balance(account)).toBe(101n);
    // It is waited for no longer than it may call itself connected; then it does not, and shows less.
    const waited = await atOne.transactions.deposit(asked({ account, amount: usd(1) }), spreading("all-branches"));
    expect(performance.now() - startedMs).toBeLessThan(DROPPED_MS + 1_500);
    expect(waited.readInfo?.propagation).toMatchObject({
      satisfied: true,
      reached: [1],
      missing: [],
      disconnected: [2],
    });
    const { readInfo: behind } = await atTwo.accounts.getBalance({ account }, LOCAL);
    expect(behind?.connected).toBe(false);
    proxy.uncut();
    await connected(bank, branches);
    const { readInfo: last } = await atOne.transactions.deposit(
      asked({ account, amount: usd(1) }),
      spreading("all-branches"),
    );
    expect(last?.propagation).toMatchObject({ satisfied: true, reached: [1, 2] });
    expect(await atTwo.balance(account, LOCAL)).toBe(103n);
  });

  it("goes through the branches between: who follows a branch is waited for too", async () => {
    const bank = await startTestBank();
    const near = await startFollowing(bank.url, [1]);
    const far = await Promise.all([2, 3].map((number) => startFollowing(near.url, [number])));
    const account = await accountWith(clientOf(bank.url), 100);
    await connected(bank, [near, ...far]);
    for (const url of [bank.url, near.url, far[0]!.url]) {
      const { readInfo } = await clientOf(url).transactions.deposit(
        asked({ account, amount: usd(1) }),
        spreading("all-branches"),
      );
      expect(readInfo?.propagation).toMatchObject({ satisfied: true, copiesReached: 3, reached: [1, 2, 3] });
    }
    for (const { url } of far) expect(await clientOf(url).balance(account, LOCAL)).toBe(103n);
    expect(bank.replica.members.connected().map(({ report }) => [report.branches[0], report.follows])).toEqual(
      expect.arrayContaining([
        [1, 0],
        [2, 1],
        [3, 1],
      ]),
    );
  });
});

describe("a write that should be on other disks", () => {
  it("is, on so many: branches of one server are one", async () => {
    const bank = await startTestBank();
    const branches = [await startFollowing(bank.url, [1, 2]), await startFollowing(bank.url, [3])];
    const client = clientOf(branches[0]!.url);
    const account = await accountWith(client, 100);
    await connected(bank, branches);
    const two = await client.transactions.deposit(asked({ account, amount: usd(1) }), spreading("quorum=2"));
    expect(two.readInfo?.propagation).toMatchObject({
      asked: PropagationMode.QUORUM,
      copiesAsked: 2,
      satisfied: true,
      copiesReached: 2,
    });
    for (const branch of branches)
      expect(branch.replica().savedPosition).toBeGreaterThanOrEqual(Number(two.transaction?.position));
    // Three branches are registered, so that three copies could be: it is waited for them to come.
    const three = await client.transactions.deposit(asked({ account, amount: usd(1) }), spreading("quorum=3", 300));
    expect(three.readInfo?.propagation).toMatchObject({ satisfied: false, copiesReached: 2 });
    const startedMs = performance.now();
    const many = await client.transactions.deposit(asked({ account, amount: usd(1) }), spreading("quorum=9"));
    expect(many.readInfo?.propagation).toMatchObject({ satisfied: false, copiesAsked: 9 });
    expect(performance.now() - startedMs).toBeLessThan(2_000);
  });
});

describe("how far a write has spread", () => {
  it("is told of the whole of a batch, of a retry, and of nothing that was not done", async () => {
    const { clients, account, deposit } = await startServers(1);
    const client = clients[0]!;
    const amount = usd(1);
    const request = asked({ account, amount });
    const first = await client.transactions.deposit(request, spreading("quorum=1"));
    const again = await client.transactions.deposit(request, spreading("quorum=1"));
    expect([first, again].map(({ replayed, readInfo }) => [replayed, readInfo?.propagation?.satisfied])).toEqual([
      [false, true],
      [true, true],
    ]);
    const items = [
      item({ kind: "deposit", account, amount: { currency: "USD", minor: 1n } }),
      item({ kind: "withdraw", account, amount: { currency: "USD", minor: 1_000_000n } }),
    ];
    const batch = await client.transactions.executeBatch({ items }, spreading("all-branches"));
    expect(batch.readInfo?.propagation).toMatchObject({ satisfied: true, reached: [1] });
    const rejected = await client.transactions.executeBatch({ items: [items[1]!] }, spreading("all-branches"));
    expect(rejected.readInfo?.propagation).toBeUndefined();
    const preview = await client.transactions.deposit(
      asked({ account, amount, validateOnly: true }),
      spreading("all-branches"),
    );
    expect(preview.readInfo?.propagation).toBeUndefined();
    expect((await deposit(client)).propagation).toBeUndefined();
    expect((await deposit(client, spreading("bank"))).propagation).toBeUndefined();
  });

  it("is asked for in words that are known, or nothing is done", async () => {
    const { clients, account, deposit } = await startServers(1);
    const client = clients[0]!;
    for (const wrong of ["everywhere", "quorum=0", "quorum=two"])
      expect(await reasonOf(deposit(client, spreading(wrong)))).toBe("INVALID_REQUEST");
    expect(await client.balance(account)).toBe(100n);
  });
});

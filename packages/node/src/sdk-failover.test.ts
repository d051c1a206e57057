import { type BankClient, connectBank, type RetryNotice } from "@bank/client";
import { FaultProxy } from "@bank/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silentLog } from "./log.ts";
import { type RunningCluster, startCluster } from "./start-cluster.ts";

const usd = (minor: bigint) => ({ currency: "USD", minor });

describe("a client of two branches and their bank", { timeout: 30_000 }, () => {
  let cluster: RunningCluster;
  /** Before branch 1, which the client prefers. */
  let proxy: FaultProxy;
  let client: BankClient;
  let notices: RetryNotice[];

  beforeEach(async () => {
    cluster = await startCluster({ branches: [1, 2], log: silentLog });
    proxy = await FaultProxy.start({ target: cluster.branchUrl(1) });
    notices = [];
    client = connectBank({
      servers: [proxy.url, cluster.branchUrl(2), cluster.bankUrl],
      consistency: "session",
      timeoutMs: 4_000,
      onRetry: (notice) => notices.push(notice),
    });
    await client.openAccount({});
  });
  afterEach(async () => {
    client.close();
    await proxy.close();
    await cluster.close();
  });

  it("goes on at the other branch where its own is gone, and sees all that it did", async () => {
    const { transaction } = await client.deposit("1", usd(100n));
    expect(transaction.branch).toBe(1);
    proxy.refuse();
    proxy.endAll("rst");
    const other = await client.deposit("1", usd(20n));
    expect(other.transaction.branch).toBe(2);
    expect(client.server).toBe(cluster.branchUrl(2));
    const balance = await client.balance("1");
    expect(balance.posted).toEqual(usd(120n));
    expect(balance.position).toBeGreaterThanOrEqual(other.position);
  });

  it("is not held up for long by one that is silent, and everything is done once", async () => {
    await client.deposit("1", usd(100n));
    proxy.cut("both", "hold");
    const beganMs = performance.now();
    const done = await client.deposit("1", usd(20n), { timeoutMs: 1_500 });
    expect(performance.now() - beganMs).toBeLessThan(1_400);
    expect(done.transaction.branch).toBe(2);
    expect(notices).toMatchObject([{ server: proxy.url, nextServer: cluster.branchUrl(2) }]);
    // It rests: the next call does not wait for it.
    await client.balance("1");
    expect(notices).toHaveLength(1);
    proxy.heal();
    expect((await client.balance("1", { consistency: "linearizable" })).posted).toEqual(usd(120n));
  });

  it("does a change once whose answer the first server could not give", async () => {
    proxy.cut("toClient", "lose");
    const done = await client.deposit("1", usd(7n), { timeoutMs: 1_500 });
    expect(done.replayed).toBe(true);
    expect(done.transaction.branch).toBe(1);
    proxy.heal();
    expect((await client.balance("1")).posted).toEqual(usd(7n));
  });

  it("leaves a branch that drains, for as long as it does", async () => {
    await client.updateBranch(1, { state: "draining" });
    const done = await client.deposit("1", usd(5n));
    expect(done.transaction.branch).toBe(2);
    expect((await client.branches()).branches.map(({ state }) => state)).toEqual(["active", "draining", "active"]);
    const alone = connectBank({ server: cluster.branchUrl(1) });
    await expect(alone.balance("1")).rejects.toMatchObject({ reason: "DRAINING", attempts: 1 });
    await client.updateBranch(1, { state: "active" });
    expect((await alone.balance("1")).posted).toEqual(usd(5n));
    alone.close();
  });
});

import { randomUUID } from "node:crypto";
import { BranchState, RequestState } from "@bank/proto";
import { failureFromConnectError } from "@bank/rpc";
import { consistency, type ServerClient } from "@bank/testkit";
import { ConnectError } from "@connectrpc/connect";
import { describe, expect, it, vi } from "vitest";
import { openAccount } from "./books.test-util.ts";
import { clientOf, startFollowing, startTestBank } from "./servers.test-util.ts";

async function failureOf(call: Promise<unknown>): Promise<{ reason: string; text: string }> {
  try {
    await call;
  } catch (error) {
    const failure = error instanceof ConnectError ? failureFromConnectError(error) : undefined;
    if (failure === undefined) throw error;
    return { reason: failure.reason, text: failure.message };
  }
  throw new Error("the call was expected to fail");
}

const change = {
  name: (value: string) => ({ case: "name", value }) as const,
  state: (value: BranchState) => ({ case: "state", value }) as const,
};

async function branchAt({ branches }: ServerClient, number: number) {
  const { branch } = await branches.getBranch({ number });
  if (branch === undefined) throw new Error("a branch is shown");
  return branch;
}

/** Until the bank has heard of the copies of these branches, and they are as far as it is. */
async function untilCaughtUp(client: ServerClient, numbers: readonly number[]): Promise<void> {
  await vi.waitUntil(
    async () => {
      const { branches } = await client.branches.listBranches({});
      return numbers.every((number) => {
        const status = branches.find((branch) => branch.number === number)?.status;
        return status?.connected === true && status.lagPositions === 0n;
      });
    },
    { timeout: 10_000, interval: 20 },
  );
}

describe("the life of a branch", () => {
  it("is changed through any server, once for each request id, and told alike everywhere", async () => {
    const bank = await startTestBank();
    const one = await startFollowing(bank.url, [1]);
    const two = await startFollowing(bank.url, [2]);
    const [atBank, atOne, atTwo] = [clientOf(bank.url), clientOf(one.url), clientOf(two.url)];
    expect(await branchAt(atBank, 0)).toMatchObject({ number: 0, state: BranchState.ACTIVE });
    expect(await branchAt(atOne, 2)).toMatchObject({ name: "branch 2", state: BranchState.ACTIVE, address: two.url });

    const requestId = randomUUID();
    const rename = { requestId, number: 2, change: change.name("north") };
    const first = await atOne.branches.updateBranch(rename);
    expect(first).toMatchObject({ branch: { number: 2, name: "north", address: two.url }, replayed: false });
    // Its own server shows it.
    expect(await atOne.branches.getBranch({ number: 2 }, consistency("local"))).toMatchObject({
      branch: { name: "north" },
    });
    const again = await atBank.branches.updateBranch(rename);
    expect(again).toMatchObject({ branch: { number: 2, name: "north" }, replayed: true });
    expect(again.readInfo?.position).toBe(first.readInfo?.position);
    expect(await failureOf(atTwo.branches.updateBranch({ ...rename, change: change.name("south") }))).toMatchObject({
      reason: "REQUEST_ID_REUSED",
    });
    expect(await atTwo.requests.getOutcome({ requestId })).toMatchObject({
      state: RequestState.COMMITTED,
      result: { result: { case: "branchChange", value: { number: 2, name: "north", state: 0 } } },
    });

    // A draining branch takes the word that brings it back.
    const drained = await atTwo.branches.updateBranch({
      requestId: randomUUID(),
      number: 2,
      change: change.state(BranchState.DRAINING),
    });
    expect(drained.branch).toMatchObject({ name: "north", state: BranchState.DRAINING });
    expect(await branchAt(atBank, 2)).toMatchObject({ state: BranchState.DRAINING });
    expect((await failureOf(openAccount(atTwo))).reason).toBe("DRAINING");
    await openAccount(atOne);
    await atTwo.branches.updateBranch({ requestId: randomUUID(), number: 2, change: change.state(BranchState.ACTIVE) });
    await openAccount(atTwo);

    const retire = { requestId: randomUUID(), number: 2, change: change.state(BranchState.RETIRED) };
    expect((await atBank.branches.updateBranch(retire)).branch?.state).toBe(BranchState.RETIRED);
    const back = { requestId: randomUUID(), number: 2, change: change.state(BranchState.ACTIVE) };
    expect((await failureOf(atBank.branches.updateBranch(back))).reason).toBe("BRANCH_RETIRED");
    expect((await failureOf(atOne.branches.updateBranch({ ...back, requestId: randomUUID(), number: 9 }))).reason).toBe(
      "BRANCH_NOT_FOUND",
    );
    for (const malformed of [
      {},
      { change: change.name("") },
      { change: change.state(0) },
      { change: change.state(7 as BranchState) },
    ])
      expect(
        (await failureOf(atOne.branches.updateBranch({ requestId: randomUUID(), number: 1, ...malformed }))).reason,
      ).toBe("INVALID_REQUEST");
  });

  it("is told with how far each copy is, how it hangs together, and since when it has been connected", async () => {
    const began = Date.now();
    const bank = await startTestBank();
    const parent = await startFollowing(bank.url, [1, 2]);
    const child = await startFollowing(parent.url, [3]);
    const [atBank, atParent] = [clientOf(bank.url), clientOf(parent.url)];
    await openAccount(clientOf(child.url));
    await untilCaughtUp(atBank, [1, 2, 3]);
    const { branches, durability } = await atBank.branches.listBranches({});
    expect(branches.map(({ number }) => number)).toEqual([0, 1, 2, 3]);
    expect(durability).toMatchObject({ copies: 0, branches: [], position: 0n });
    const [head, one, two, three] = branches.map(({ status }) => status);
    expect(head).toMatchObject({ connected: true, lagPositions: 0n, stalenessMs: 0n, followers: 1, upstream: "" });
    expect(head?.follows).toBeUndefined();
    const digest = head?.digest;
    expect(one).toMatchObject({ connected: true, digest, follows: 0, followers: 1, upstream: bank.url });
    // Branches of one server share one copy.
    expect(two).toEqual(one);
    expect(three).toMatchObject({ connected: true, digest, follows: 1, followers: 0, upstream: parent.url });
    expect(new Set([head?.copyId, one?.copyId, three?.copyId]).size).toBe(3);
    for (const status of [one, three]) {
      expect(status?.appliedPosition).toBe(head?.appliedPosition);
      expect(Number(status?.stalenessMs)).toBeLessThan(10_000);
      const sinceMs = Number(status?.connectedSince?.seconds) * 1_000;
      expect(sinceMs).toBeGreaterThanOrEqual(began - 1_000);
      expect(sinceMs).toBeLessThanOrEqual(Date.now());
    }
    // A branch knows itself and those that follow it.
    const seen = await atParent.branches.listBranches({});
    expect(seen.branches.map(({ status }) => status !== undefined)).toEqual([false, true, true, true]);

    await child.close();
    await vi.waitUntil(async () => (await branchAt(atBank, 3)).status === undefined, { timeout: 10_000, interval: 50 });
  });
});

describe("what a write must reach", () => {
  it("is set by branches that are connected and lie apart, through any server, once for each request id", async () => {
    const bank = await startTestBank();
    const one = await startFollowing(bank.url, [1, 4]);
    const two = await startFollowing(bank.url, [2]);
    const [atBank, atTwo] = [clientOf(bank.url), clientOf(two.url)];
    await atBank.replication.registerBranch({ branch: 3, name: "three", address: "http://127.0.0.1:1" });
    await untilCaughtUp(atBank, [1, 2, 4]);
    const set = (copies: number, branches: number[], requestId = randomUUID()) =>
      atTwo.branches.setDurability({ requestId, copies, branches });

    expect(await failureOf(set(1, [1, 3]))).toMatchObject({
      reason: "INVALID_REQUEST",
      text: expect.stringContaining("branch 3 is not connected"),
    });
    expect(await failureOf(set(1, [1, 4]))).toMatchObject({
      reason: "INVALID_REQUEST",
      text: expect.stringContaining("branches 1 and 4 lie on one copy"),
    });
    expect((await failureOf(set(3, [1, 2]))).reason).toBe("INVALID_REQUEST");

    const requestId = randomUUID();
    const done = await set(1, [2, 1], requestId);
    expect(done).toMatchObject({ durability: { copies: 1, branches: [1, 2] }, replayed: false });
    expect(done.durability?.position).toBe(done.readInfo?.position);
    expect((await atBank.branches.listBranches({})).durability).toEqual(done.durability);
    expect(bank.replica.ledger.durability.members.map(({ branch }) => branch)).toEqual([1, 2]);
    // The same request again, when nobody of them is there any more.
    await one.close();
    expect(await atTwo.branches.setDurability({ requestId, copies: 1, branches: [2, 1] })).toMatchObject({
      durability: done.durability,
      replayed: true,
    });
    expect((await failureOf(set(2, [2, 1], requestId))).reason).toBe("REQUEST_ID_REUSED");
    const retire = { requestId: randomUUID(), number: 1, change: change.state(BranchState.RETIRED) };
    expect((await failureOf(atBank.branches.updateBranch(retire))).reason).toBe("BRANCH_COUNTED");
    expect(await set(0, [])).toMatchObject({ durability: { copies: 0, branches: [] } });
  });
});

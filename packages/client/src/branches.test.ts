import { beforeEach, describe, expect, it } from "vitest";
import { clientOf, failure, lossDetected, said } from "./clients.test-util.ts";
import { FakeServer } from "./fake-bank.test-util.ts";
import { FakeLedger } from "./fake-ledger.test-util.ts";

let ledger: FakeLedger;
let bank: FakeServer;
let first: FakeServer;
beforeEach(() => {
  ledger = new FakeLedger();
  ledger.balances.set("1", 1000n);
  ledger.branches.set(1, "http://first:50061");
  bank = new FakeServer(ledger);
  first = new FakeServer(ledger, 1);
});

describe("the branches of a bank", () => {
  it("are listed", async () => {
    expect((await clientOf({ bank, first }).branches()).branches).toEqual([
      { number: 0, address: undefined, name: "branch 0", state: "active", status: undefined },
      { number: 1, address: "http://first:50061", name: "branch 1", state: "active", status: undefined },
    ]);
  });

  it("tell how current they are", async () => {
    expect((await clientOf({ bank, first }).thisBranch()).branch.status).toEqual({
      appliedPosition: 3,
      durablePosition: 4,
      digest: "00ff",
      connected: true,
      historyPosition: 2,
      lagPositions: 1,
      stalenessMs: 12,
      follows: 0,
      followers: 2,
      connectedSinceMs: 1_000,
      formatLevel: 3,
      copyId: "abcd",
      upstream: "http://bank",
    });
  });

  it("are found by their number, once", async () => {
    const client = clientOf({ bank, first });
    const branch = await client.branch(1);
    expect(branch.server).toBe("http://first:50061");
    await branch.balance("1");
    await client.branch(1);
    expect(bank.methods).toEqual(["ListBranches"]);
    expect(first.methods).toEqual(["GetBalance"]);
  });

  it("are found by each other too", async () => {
    const branch = await clientOf({ first, bank }).branch(1);
    expect(branch.server).toBe("http://first:50061");
  });

  it("are known once they were listed", async () => {
    const client = clientOf({ bank, first });
    await client.branches();
    await client.withSession().branch(1);
    expect(bank.methods).toEqual(["ListBranches"]);
  });

  it("share one connection for each server, which their client closes", async () => {
    const client = clientOf({ bank, first });
    const branch = await client.branch(1);
    await client.branch(1);
    branch.close();
    expect(first.closed).toBe(0);
    client.close();
    expect([bank.closed, first.closed]).toEqual([1, 1]);
  });

  it("are looked up again after an address did not work", async () => {
    const client = clientOf({ bank, first, moved: new FakeServer(ledger, 1) });
    const branch = await client.branch(1);
    first.faults.push("refuse", lossDetected());
    await failure(branch.balance("1"));
    ledger.branches.set(1, "http://moved");
    expect((await client.branch(1)).server).toBe("http://moved");
  });

  it("include the head office, also when the bank does not know its own address", async () => {
    const client = clientOf({ bank, first });
    expect((await client.branch(0)).server).toBe("http://bank");
  });
});

describe("a branch that cannot be found", () => {
  it("does not exist", async () => {
    expect(await failure(clientOf({ bank, first }).branch(7))).toMatchObject({
      code: "NOT_FOUND",
      reason: "READ_BRANCH_NOT_FOUND",
      message: "There is no branch 7 at position 1.",
      metadata: { branch: "7", position: "1", outcome: "NOT_APPLIED" },
    });
  });

  it("has no address", async () => {
    expect(await failure(clientOf({ first, bank }).branch(0))).toMatchObject({
      code: "NOT_FOUND",
      reason: "BRANCH_WITHOUT_ADDRESS",
      message: "http://first knows branch 0, but not where it listens.",
    });
  });

  it("has an address that is none, which does not hide the others", async () => {
    ledger.branches.set(2, "nowhere/at all");
    const client = clientOf({ bank, first });
    expect(await failure(client.branch(2))).toMatchObject({
      reason: "BRANCH_WITHOUT_ADDRESS",
      message: "http://bank knows branch 2, but its address is unusable: nowhere/at all.",
    });
    await client.branch(1);
  });

  it("cannot be asked for", async () => {
    bank.afterwards = said("NOT_READY", { problem: "it starts" });
    expect(await failure(clientOf({ bank, first }, { timeoutMs: 30 }).branch(1))).toMatchObject({
      reason: "NOT_READY",
      outcome: "NOT_APPLIED",
    });
  });
});

describe("changing a branch", () => {
  const requestId = "3f0c8a52-6a1e-4c57-9d0b-6a1f6f1c2b11";

  it("names it, or brings it to another state", async () => {
    const client = clientOf({ bank, first });
    const renamed = await client.updateBranch(1, { name: "Harbour Street" }, { requestId });
    expect(renamed).toMatchObject({ requestId, replayed: false, branch: { number: 1, name: "Harbour Street" } });
    for (const state of ["draining", "active", "retired"] as const)
      expect((await client.updateBranch(1, { state })).branch.state).toBe(state);
    expect(bank.calls.map(({ message }) => message)).toMatchObject([
      { requestId, number: 1, name: "Harbour Street" },
      { state: "BRANCH_STATE_DRAINING" },
      { state: "BRANCH_STATE_ACTIVE" },
      { state: "BRANCH_STATE_RETIRED" },
    ]);
  });

  it("is tried again under the same request id", async () => {
    bank.faults.push("lose-reply");
    await clientOf({ bank, first }).updateBranch(1, { state: "draining" });
    expect(new Set(bank.calls.map((call) => call.requestId)).size).toBe(1);
  });

  it.each([-1, 0.5, 70_000])("refuses the number %s before anything is sent", async (number) => {
    expect(await failure(clientOf({ bank, first }).updateBranch(number, { state: "active" }))).toMatchObject({
      reason: "INVALID_REQUEST",
      violations: [{ field: "number" }],
    });
    expect(bank.calls).toEqual([]);
  });
});

describe("durability", () => {
  it("is told with the branches, and said anew", async () => {
    const client = clientOf({ bank, first });
    expect((await client.branches()).durability).toEqual({ copies: 1, branches: [1, 2], position: 7 });
    const set = await client.setDurability({ copies: 2, branches: [2, 3] });
    expect(set).toMatchObject({ durability: { copies: 2, branches: [2, 3], position: 9 }, replayed: true });
    expect(bank.calls.at(-1)?.message).toMatchObject({ copies: 2, branches: [2, 3] });
    expect(await failure(client.setDurability({ copies: -1, branches: [] }))).toMatchObject({
      reason: "INVALID_REQUEST",
    });
  });
});

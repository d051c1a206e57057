import { beforeEach, describe, expect, it } from "vitest";
import { clientOf, usd } from "./clients.test-util.ts";
import { FakeServer } from "./fake-bank.test-util.ts";
import type { AskedPropagation } from "./types/index.ts";

const far = { copiesReached: 2, reached: [1, 2], missing: [3], disconnected: [4], appliedHere: true };

let server: FakeServer;
beforeEach(() => {
  server = new FakeServer();
  server.ledger.balances.set("1", 1000n);
});

describe("how far a mutation should spread", () => {
  it.each<[AskedPropagation, string, boolean]>([
    ["all-branches", "all-branches", false],
    [{ quorum: 1 }, "quorum=1", true],
    [{ quorum: 3 }, "quorum=3", false],
  ])(
    "is said as %j, by a call and by a client, and the answer says how far it did",
    async (asked, header, satisfied) => {
      const told = { asked, satisfied, ...far };
      expect((await clientOf(server).deposit("1", usd(5n), { propagation: asked })).propagation).toEqual(told);
      expect((await clientOf(server, { propagation: asked }).deposit("1", usd(5n))).propagation).toEqual(told);
      expect(server.calls.map(({ propagation }) => propagation)).toEqual([header, header]);
    },
  );

  it("is the bank unless more is asked for, and a call says less than its client", async () => {
    expect((await clientOf(server).deposit("1", usd(5n))).propagation).toBeUndefined();
    await clientOf(server, { propagation: "all-branches" }).deposit("1", usd(5n), { propagation: "bank" });
    expect(server.calls.map(({ propagation }) => propagation)).toEqual([undefined, undefined]);
  });

  it("is said of a batch as a whole, and told of each of its commands", async () => {
    const deposit = { kind: "deposit", account: "1", amount: usd(5n) } as const;
    const results = await clientOf(server).executeBatch([deposit, deposit], { propagation: { quorum: 1 } });
    const propagation = { asked: { quorum: 1 }, satisfied: true, ...far };
    expect(results).toMatchObject([
      { ok: true, propagation },
      { ok: true, propagation },
    ]);
    expect(server.calls.map((call) => call.propagation)).toEqual(["quorum=1"]);
  });

  it("is not asked of reads", async () => {
    await clientOf(server, { propagation: "all-branches" }).balance("1");
    expect(server.calls[0]?.propagation).toBeUndefined();
  });

  it.each<[AskedPropagation, ErrorConstructor]>([
    [{ quorum: 0 }, RangeError],
    [{ quorum: 1.5 }, RangeError],
    ["everywhere" as "bank", TypeError],
  ])("is refused as %j before anything is sent", async (propagation, kind) => {
    await expect(clientOf(server).deposit("1", usd(5n), { propagation })).rejects.toThrow(kind);
    await expect(clientOf(server).executeBatch([], { propagation })).rejects.toThrow(kind);
    expect(() => clientOf(server, { propagation })).toThrow(kind);
    expect(server.calls).toEqual([]);
  });
});

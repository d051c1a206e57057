import { beforeEach, describe, expect, it } from "vitest";
import { clientOf, failure, said, usd } from "./clients.test-util.ts";
import { FakeServer } from "./fake-bank.test-util.ts";
import type { GroupCommand } from "./types/index.ts";

let server: FakeServer;
beforeEach(() => {
  server = new FakeServer();
  server.ledger.balances.set("1", 1000n);
  server.ledger.balances.set("2", 0n);
});

const deposit: GroupCommand = { kind: "deposit", account: "2", amount: usd(5n) };
const tooMuch: GroupCommand = { kind: "withdraw", account: "1", amount: usd(5_000n) };
const NOT_APPLIED = {
  code: "ABORTED",
  reason: "GROUP_NOT_APPLIED",
  message: "Item 2 of the group was rejected, so nothing of the group was done.",
  metadata: { item: "2" },
};

describe("a group", () => {
  it("that was not done says which item was the reason, and of each what became of it", async () => {
    const error = await failure(clientOf(server).executeGroup([deposit, tooMuch, deposit]));
    expect(error).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "INSUFFICIENT_FUNDS",
      outcome: "REJECTED",
      item: 2,
      violations: [],
      requestId: server.calls[0]?.requestId,
    });
    expect(error.failures).toEqual([
      NOT_APPLIED,
      {
        code: "FAILED_PRECONDITION",
        reason: "INSUFFICIENT_FUNDS",
        message: "No: INSUFFICIENT_FUNDS.",
        metadata: { account: "1", available: "10.00", outcome: "REJECTED" },
      },
      NOT_APPLIED,
    ]);
    expect(server.ledger.balances.get("2")).toBe(0n);
  });

  it("is done once when its reply is lost", async () => {
    server.faults.push("lose-reply");
    const { replayed, group } = await clientOf(server).executeGroup([deposit, deposit]);
    expect(replayed).toBe(true);
    expect(group.results).toMatchObject([{ kind: "transaction" }, { kind: "transaction" }]);
    expect(server.ledger.balances.get("2")).toBe(10n);
  });

  it("with an item that no bank would take is not sent", async () => {
    const error = await failure(clientOf(server).executeGroup([deposit, { ...deposit, amount: usd(0n) }]));
    expect(error).toMatchObject({
      reason: "INVALID_AMOUNT",
      outcome: "NOT_APPLIED",
      item: 2,
      violations: [{ field: "items[1].deposit.amount.amount_minor" }],
      failures: [],
    });
    expect(server.calls).toEqual([]);
  });

  it("with a stale item can be sent again under its id", async () => {
    const client = clientOf(server);
    const stale = await failure(client.executeGroup([deposit, { ...deposit, expectedVersion: 9 }]));
    expect(stale).toMatchObject({ reason: "STALE_VERSION", outcome: "NOT_APPLIED", item: 2, attempts: 1 });
    const { requestId } = stale;
    expect(await client.executeGroup([deposit, { ...deposit, expectedVersion: 2 }], { requestId })).toMatchObject({
      replayed: false,
    });
  });
});

describe("an error", () => {
  it("of a malformed request says what is wrong with which field", async () => {
    const violations = [{ field: "account", description: "must not be empty" }];
    server.faults.push(
      said("INVALID_REQUEST", { problem: "account: must not be empty" }, "NOT_APPLIED", { violations }),
    );
    const error = await failure(clientOf(server).freezeAccount(""));
    expect(error).toMatchObject({ reason: "INVALID_REQUEST", item: undefined, failures: [] });
    expect(error.violations).toEqual(violations);
  });

  it("of anything else names no field and no item", async () => {
    const error = await failure(clientOf(server).withdraw("1", usd(5_000n)));
    expect(error).toMatchObject({ reason: "INSUFFICIENT_FUNDS", item: undefined, violations: [], failures: [] });
  });
});

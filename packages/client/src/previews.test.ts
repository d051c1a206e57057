import { randomUUID } from "node:crypto";
import { beforeEach, describe, expect, it } from "vitest";
import { clientOf, failure, lossDetected, outcomeUnknown, usd } from "./clients.test-util.ts";
import { FakeServer } from "./fake-bank.test-util.ts";
import type { Fault } from "./faulty-connection.test-util.ts";

const preview = { validateOnly: true } as const;

let server: FakeServer;
beforeEach(() => {
  server = new FakeServer();
  server.ledger.balances.set("1", 1000n);
});

describe("a preview", () => {
  it("is tried again like everything else", async () => {
    server.faults.push("refuse", "lose-request", "lose-reply");
    const seen = await clientOf(server).deposit("1", usd(5n), preview);
    expect(seen).toMatchObject({ preview: true, replayed: false, transaction: { position: 0, amount: usd(5n) } });
    expect(new Set(server.calls.map(({ requestId }) => requestId)).size).toBe(1);
    expect(server.ledger.balances.get("1")).toBe(1000n);
  });

  it.each<[string, () => Fault]>([
    ["its connection was lost", () => "lose-request"],
    ["its answer was lost", () => "lose-reply"],
    ["no answer came in time", () => "late"],
    ["the bank did not know", outcomeUnknown],
  ])("is NOT_APPLIED when %s", async (_, fault) => {
    server.faults.push(fault(), lossDetected());
    const error = await failure(clientOf(server).deposit("1", usd(5n), preview));
    expect(error).toMatchObject({ outcome: "NOT_APPLIED", metadata: { outcome: "NOT_APPLIED" } });
    expect(error.requestId).toBe(server.calls[0]?.requestId);
  });

  it("that is canceled while it is under way is NOT_APPLIED", async () => {
    const canceling = new AbortController();
    server.afterwards = "hang";
    const call = failure(clientOf(server).deposit("1", usd(5n), { ...preview, signal: canceling.signal }));
    await expect.poll(() => server.calls.length, { timeout: 10_000 }).toBe(1);
    canceling.abort();
    expect(await call).toMatchObject({ reason: "CANCELED", outcome: "NOT_APPLIED" });
  });

  it("of what would be rejected says why, and rejects nothing", async () => {
    const requestId = randomUUID();
    const client = clientOf(server);
    const error = await failure(client.withdraw("1", usd(1001n), { ...preview, requestId }));
    expect(error).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "INSUFFICIENT_FUNDS",
      outcome: "NOT_APPLIED",
      metadata: { account: "1", available: "10.00", outcome: "NOT_APPLIED" },
    });
    await client.deposit("1", usd(1n));
    expect(await client.withdraw("1", usd(1001n), { requestId })).toMatchObject({ replayed: false });
  });

  it("of an answered request says the answer, even that it was rejected, and has no effect itself", async () => {
    const client = clientOf(server);
    const { requestId } = await client.deposit("1", usd(5n));
    expect(await client.deposit("1", usd(5n), { ...preview, requestId })).toMatchObject({
      replayed: true,
      preview: true,
      transaction: { position: 2 },
    });
    const rejected = await failure(client.withdraw("1", usd(5000n)));
    const again = failure(client.withdraw("1", usd(5000n), { ...preview, requestId: rejected.requestId }));
    expect(await again).toMatchObject({ reason: "INSUFFICIENT_FUNDS", outcome: "NOT_APPLIED" });
  });
});

describe("an expected version", () => {
  it("that is stale is refused at once, and the request id can still be used", async () => {
    const client = clientOf(server);
    await client.deposit("1", usd(1n));
    const stale = await failure(client.deposit("1", usd(5n), { expectedVersion: 1 }));
    expect(stale).toMatchObject({
      code: "ABORTED",
      reason: "STALE_VERSION",
      outcome: "NOT_APPLIED",
      attempts: 1,
      metadata: { account: "1", version: "2", expected_version: "1" },
    });
    const { requestId } = stale;
    expect(await client.deposit("1", usd(5n), { requestId, expectedVersion: 2 })).toMatchObject({ replayed: false });
    expect(server.ledger.balances.get("1")).toBe(1006n);
  });

  it("that became stale by this very request is not: a retry after a lost answer gets the answer", async () => {
    server.faults.push("lose-reply");
    const booked = await clientOf(server).deposit("1", usd(5n), { expectedVersion: 1 });
    expect(booked).toMatchObject({ replayed: true });
  });

  it("that is stale after a lost try leaves its outcome unknown: that try may still be on its way", async () => {
    server.faults.push("lose-request");
    const error = await failure(clientOf(server).deposit("1", usd(5n), { expectedVersion: 3 }));
    expect(error).toMatchObject({ reason: "STALE_VERSION", outcome: "OUTCOME_UNKNOWN", attempts: 2 });
  });
});

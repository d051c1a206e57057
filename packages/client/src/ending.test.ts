import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { clientOf, failure, usd } from "./clients.test-util.ts";
import { FakeServer } from "./fake-bank.test-util.ts";
import type { RetryNotice } from "./retry.ts";

let server: FakeServer;
const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => unhandled.push(reason);

beforeEach(() => {
  server = new FakeServer();
  server.ledger.balances.set("1", 1000n);
  process.on("unhandledRejection", onUnhandled);
});
afterEach(async () => {
  // Rejections that nobody handles are reported once the microtasks are done.
  await new Promise((resolve) => setImmediate(resolve));
  process.off("unhandledRejection", onUnhandled);
  expect(unhandled).toEqual([]);
});

describe("a call that is canceled", () => {
  it("before it began has no effect", async () => {
    const error = await failure(clientOf(server).deposit("1", usd(5n), { signal: AbortSignal.abort() }));
    expect(error).toMatchObject({ code: "CANCELED", reason: "CANCELED", outcome: "NOT_APPLIED", attempts: 0 });
    expect(server.calls).toEqual([]);
  });

  it("while it was under way has an unknown outcome, and says under which request id", async () => {
    const canceling = new AbortController();
    server.afterwards = "hang";
    const call = failure(clientOf(server).deposit("1", usd(5n), { signal: canceling.signal }));
    await expect.poll(() => server.calls.length, { timeout: 10_000 }).toBe(1);
    canceling.abort();
    const error = await call;
    expect(error).toMatchObject({
      reason: "CANCELED",
      message: "The call was canceled before http://bank had answered.",
      outcome: "OUTCOME_UNKNOWN",
      requestId: server.calls[0]?.requestId,
      metadata: { request_id: server.calls[0]?.requestId },
    });
  });

  it.each([
    ["refuse" as const, "NOT_APPLIED"],
    ["lose-reply" as const, "OUTCOME_UNKNOWN"],
  ])("between two tries has the outcome of the first: %s", async (fault, outcome) => {
    const canceling = new AbortController();
    server.afterwards = fault;
    const onRetry = () => canceling.abort();
    const client = clientOf(server, { retryDelayMs: 10_000, timeoutMs: 60_000, onRetry });
    const error = await failure(client.deposit("1", usd(5n), { signal: canceling.signal }));
    expect(error).toMatchObject({ reason: "CANCELED", outcome, attempts: 1 });
  });

  it("still gives the bank's answer when that comes first", async () => {
    const canceling = new AbortController();
    server.beforeReply = async () => canceling.abort();
    const error = await failure(clientOf(server).withdraw("1", usd(5000n), { signal: canceling.signal }));
    expect(error).toMatchObject({ reason: "INSUFFICIENT_FUNDS", outcome: "REJECTED" });
  });

  it("as a read has no effect either", async () => {
    const canceling = new AbortController();
    server.afterwards = "hang";
    const call = failure(clientOf(server).balance("1", { signal: canceling.signal }));
    await expect.poll(() => server.calls.length, { timeout: 10_000 }).toBe(1);
    canceling.abort();
    expect(await call).toMatchObject({ reason: "CANCELED", outcome: "NOT_APPLIED" });
  });
});

describe("closing a client", () => {
  it("ends its calls, also those between two tries, and closes the connection", async () => {
    const notices: RetryNotice[] = [];
    server.faults.push("hang", "refuse");
    const onRetry = (notice: RetryNotice) => notices.push(notice);
    const client = clientOf(server, { retryDelayMs: 10_000, timeoutMs: 60_000, onRetry });
    // In calls of their own: whoever names a version does not go with others.
    const own = { expectedVersion: 1 };
    const calls = [client.deposit("1", usd(5n), own), client.deposit("1", usd(5n), own)].map(failure);
    await expect.poll(() => notices.length, { timeout: 10_000 }).toBe(1);
    client.close();
    client.close();
    expect(await Promise.all(calls)).toMatchObject([
      { code: "CANCELED", reason: "CLIENT_CLOSED", outcome: "OUTCOME_UNKNOWN" },
      {
        reason: "CLIENT_CLOSED",
        message: "The client was closed before http://bank had answered.",
        outcome: "NOT_APPLIED",
      },
    ]);
    expect(server.closed).toBe(1);
  });

  it("refuses later calls", async () => {
    const client = clientOf(server);
    client.close();
    expect(await failure(client.balance("1"))).toMatchObject({ reason: "CLIENT_CLOSED", attempts: 0 });
    expect(await client.executeBatch([{ kind: "deposit", account: "1", amount: usd(5n) }])).toMatchObject([
      { ok: false, error: { reason: "CLIENT_CLOSED", outcome: "NOT_APPLIED" } },
    ]);
    expect(server.calls).toEqual([]);
  });

  it("closes the clients that came from it, and not the one that it came from", async () => {
    const client = clientOf(server);
    const [first, second] = [client.withSession(), client.withSession()];
    first.close();
    expect(await failure(first.balance("1"))).toMatchObject({ reason: "CLIENT_CLOSED" });
    expect(server.closed).toBe(0);
    await second.balance("1");
    await client.balance("1");
    client.close();
    expect(await failure(second.balance("1"))).toMatchObject({ reason: "CLIENT_CLOSED" });
  });
});

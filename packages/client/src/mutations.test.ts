import { randomUUID } from "node:crypto";
import { beforeEach, describe, expect, it } from "vitest";
import {
  clientOf,
  failure,
  lossDetected,
  outcomeUnknown,
  overloaded,
  said,
  storeRefused,
  usd,
} from "./clients.test-util.ts";
import { type ClientOptions, connectBank } from "./connect-bank.ts";
import { FakeServer } from "./fake-bank.test-util.ts";
import type { Fault } from "./faulty-connection.test-util.ts";
import type { RetryNotice } from "./retry.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

let server: FakeServer;
const client = (options: ClientOptions = {}) => clientOf(server, options);

beforeEach(() => {
  server = new FakeServer();
  server.ledger.balances.set("1", 1000n);
});

describe("a mutation", () => {
  it("is sent under a request id of its own, and says what was booked", async () => {
    const booked = await client().deposit("1", usd(5n));
    expect(booked).toEqual({
      requestId: expect.stringMatching(UUID),
      replayed: false,
      preview: false,
      position: 2,
      timeMs: 2_000,
      stalenessMs: 0,
      connected: true,
      epoch: 1,
      session: server.ledger.token(2),
      propagation: undefined,
      transaction: {
        position: 2,
        kind: "deposit",
        debitAccount: "cash/0/USD",
        creditAccount: "1",
        amount: usd(5n),
        branch: 0,
        timeMs: 2_000,
        requestId: booked.requestId,
        reverses: undefined,
        hold: undefined,
        reversedBy: undefined,
      },
    });
    const other = await client().deposit("1", usd(5n));
    expect(other.requestId).not.toBe(booked.requestId);
  });

  it("is done once when its reply is lost, and the next try gives the answer", async () => {
    server.faults.push("lose-reply");
    const booked = await client().deposit("1", usd(5n));
    expect(booked).toMatchObject({ replayed: true, position: 2 });
    expect(server.ledger.balances.get("1")).toBe(1005n);
    const [first, second] = server.calls;
    expect(second?.requestId).toBe(first?.requestId);
  });

  it("keeps its request id over every kind of failure that may pass", async () => {
    server.faults.push("refuse", "lose-request", storeRefused(), overloaded(), outcomeUnknown(), "lose-reply");
    await client().withdraw("1", usd(5n));
    expect(server.calls).toHaveLength(7);
    expect(new Set(server.calls.map(({ requestId }) => requestId)).size).toBe(1);
    expect(server.ledger.balances.get("1")).toBe(995n);
  });

  it("uses the request id that it is given, and is then done at most once over several calls", async () => {
    const requestId = randomUUID();
    const once = await client()
      .transfer("1", "2", usd(5n), { requestId })
      .catch((error: unknown) => error);
    expect(once).toMatchObject({ reason: "ACCOUNT_NOT_FOUND", outcome: "REJECTED", requestId });
    await client().deposit("1", usd(5n), { requestId: randomUUID() });
    const again = await failure(client().transfer("1", "2", usd(5n), { requestId }));
    expect(again).toMatchObject({ reason: "ACCOUNT_NOT_FOUND", outcome: "REJECTED", requestId });
  });

  it("gives each try what is left of the time, and tells of each that failed", async () => {
    const notices: RetryNotice[] = [];
    server.faults.push("refuse", overloaded());
    await client({ timeoutMs: 5_000, onRetry: (notice) => notices.push(notice) }).deposit("1", usd(5n));
    const left = server.calls.map(({ timeoutMs }) => timeoutMs as number);
    expect(left[0]).toBeGreaterThan(4_000);
    expect(left).toEqual(left.toSorted((a, b) => b - a));
    expect(left.every(Number.isInteger)).toBe(true);
    expect(notices).toMatchObject([
      { server: "http://bank", attempts: 1, reason: "CONNECTION_FAILED", requestId: server.calls[0]?.requestId },
      { attempts: 2, reason: "OVERLOADED" },
    ]);
  });
});

describe("the outcome of a mutation that failed", () => {
  it("is REJECTED when the bank said so, at once, and with all that it said", async () => {
    const error = await failure(client().withdraw("1", usd(1001n)));
    expect(error).toMatchObject({
      name: "BankError",
      code: "FAILED_PRECONDITION",
      reason: "INSUFFICIENT_FUNDS",
      message: "No: INSUFFICIENT_FUNDS.",
      outcome: "REJECTED",
      attempts: 1,
      requestId: server.calls[0]?.requestId,
    });
    expect(error.metadata).toEqual({
      account: "1",
      available: "10.00",
      outcome: "REJECTED",
      request_id: error.requestId,
    });
  });

  it("is REJECTED also when the reply to an earlier try was lost: the answer to an id is for ever", async () => {
    server.faults.push("lose-reply", storeRefused());
    const error = await failure(client().withdraw("1", usd(1001n)));
    expect(error).toMatchObject({ reason: "INSUFFICIENT_FUNDS", outcome: "REJECTED", attempts: 3 });
  });

  it("is NOT_APPLIED when every try said so", async () => {
    server.faults.push("refuse", storeRefused(), overloaded(), lossDetected());
    const error = await failure(client().deposit("1", usd(5n)));
    expect(error).toMatchObject({ code: "DATA_LOSS", reason: "LOSS_DETECTED", outcome: "NOT_APPLIED", attempts: 4 });
  });

  it("is NOT_APPLIED when nobody ever listened", async () => {
    server.afterwards = "refuse";
    const error = await failure(client({ timeoutMs: 40 }).deposit("1", usd(5n)));
    expect(error).toMatchObject({
      code: "UNAVAILABLE",
      reason: "CONNECTION_FAILED",
      message: "No connection to http://bank: connect ECONNREFUSED.",
      outcome: "NOT_APPLIED",
      metadata: { server: "http://bank", outcome: "NOT_APPLIED" },
    });
  });

  it.each<[string, () => Fault]>([
    ["lost its reply", () => "lose-reply"],
    ["lost its request", () => "lose-request"],
    ["said OUTCOME_UNKNOWN", outcomeUnknown],
  ])("stays OUTCOME_UNKNOWN after a try that %s, whatever later ones say they did not do", async (_, fault) => {
    server.faults.push(fault(), storeRefused(), lossDetected());
    const error = await failure(client().deposit("1", usd(5n)));
    expect(error).toMatchObject({
      reason: "LOSS_DETECTED",
      outcome: "OUTCOME_UNKNOWN",
      metadata: { outcome: "OUTCOME_UNKNOWN", position: "1", request_id: error.requestId },
      attempts: 3,
    });
  });

  it("is OUTCOME_UNKNOWN when no answer came in time", async () => {
    server.afterwards = "hang";
    const error = await failure(client({ timeoutMs: 20 }).deposit("1", usd(5n)));
    expect(error).toMatchObject({
      code: "DEADLINE_EXCEEDED",
      reason: "DEADLINE_EXCEEDED",
      message: "http://bank did not answer in time.",
      outcome: "OUTCOME_UNKNOWN",
      attempts: 1,
    });
  });

  it("says what went wrong before the time was up", async () => {
    server.faults.push("lose-reply", "late");
    const error = await failure(client().deposit("1", usd(5n)));
    expect(error.message).toBe(
      "http://bank did not answer in time. " +
        "Before: The connection to http://bank was lost before the answer came: read ECONNRESET.",
    );
  });

  it("is OUTCOME_UNKNOWN when the server failed inside, which is not tried again", async () => {
    server.faults.push(said("INTERNAL", { incident: "af" }, "OUTCOME_UNKNOWN"));
    const error = await failure(client().deposit("1", usd(5n)));
    expect(error).toMatchObject({ code: "INTERNAL", reason: "INTERNAL", outcome: "OUTCOME_UNKNOWN", attempts: 1 });
  });
});

describe("arguments of a mutation", () => {
  it.each([0n, -5n, 2n ** 63n, 2n ** 70n])("refuses the amount %s before anything is sent", async (minor) => {
    const error = await failure(client().deposit("1", usd(minor)));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_AMOUNT", outcome: "NOT_APPLIED" });
    expect(server.calls).toEqual([]);
  });

  it("refuses a request id that is no UUID", async () => {
    const error = await failure(client().deposit("1", usd(5n), { requestId: "again" }));
    expect(error).toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_REQUEST",
      message: 'The request is malformed: the request id "again" is not a UUID.',
      outcome: "NOT_APPLIED",
    });
    expect(server.calls).toEqual([]);
  });

  it.each([0, -1, Number.NaN, 300_001])("refuses a timeout of %s ms", async (timeoutMs) => {
    await expect(client().deposit("1", usd(5n), { timeoutMs })).rejects.toThrow(RangeError);
    expect(() => client({ timeoutMs })).toThrow(RangeError);
  });

  it("refuses a server that is no address, and an unknown consistency", () => {
    expect(() => connectBank({ server: "http://a/b" })).toThrow(TypeError);
    expect(() => connectBank({ servers: ["a:1", "http://a/b"] })).toThrow(TypeError);
    expect(() => connectBank({ servers: [] })).toThrow(TypeError);
    expect(() => client({ consistency: "newest" as "local" })).toThrow(TypeError);
  });
});
